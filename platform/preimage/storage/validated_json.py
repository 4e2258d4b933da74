"""Read our own JSON files, which anyone may have altered: validated, or refused with one message."""

from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from preimage.config import Config
from preimage.errors import StorageError
from preimage.storage.folder import Folder


class LooseRecord(Config):
    """The fields that readers rely on, of exactly these types; the file may hold more."""

    model_config = ConfigDict(extra="allow", strict=True)


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_validated(folder: Folder, name: str, kind: type) -> dict[str, Any]:
    """A JSON file's value, unchanged. Raises StorageError if it is missing or not of this kind, and
    FormatError if the kind has a format, `kept_as`, and the file another one."""
    value = folder.read_json(name)
    if kept_as := getattr(kind, "kept_as", None):
        kept_as.require(value, folder / name)
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise StorageError(
            f"{folder / name} was altered, or comes from another version: {where}: {first['msg']}"
        ) from error
    return value
