"""JSON files of ours that anybody may have altered since: read whole, or one message."""

from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from preimage.config import Config
from preimage.errors import StorageError
from preimage.storage.folder import Folder


class LooseRecord(Config):
    """What others rely on in a file that may hold more; of exactly these types."""

    model_config = ConfigDict(extra="allow", strict=True)


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_validated(folder: Folder, name: str, kind: type) -> dict[str, Any]:
    """A JSON file as it is. Raises StorageError where it is missing, or not of the kind that it should be."""
    value = folder.read_json(name)
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise StorageError(
            f"{folder.uri}/{name} was altered, or is of another version: {where}: {first['msg']}"
        ) from error
    return value
