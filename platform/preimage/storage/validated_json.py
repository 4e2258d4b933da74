"""Read our own JSON files, which anyone may have altered: validated, or refused with one message."""

from collections.abc import Sequence
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
    """A JSON file's value, unchanged. Raises StorageError if it is missing or not of this kind."""
    return _validated(folder, name, kind, folder.read(name))


def find_validated(folder: Folder, name: str, kind: type) -> dict[str, Any] | None:
    """The same; None if there is no such file."""
    data = folder.find(name)
    return None if data is None else _validated(folder, name, kind, data)


def read_all_validated(folder: Folder, names: Sequence[str], kind: type) -> dict[str, dict[str, Any]]:
    """Several files' values by name, read many at a time."""
    found: dict[str, dict[str, Any]] = {}
    for name, data in zip(names, folder.read_all(names), strict=True):
        if isinstance(data, StorageError):
            raise data
        found[name] = _validated(folder, name, kind, data)
    return found


def _validated(folder: Folder, name: str, kind: type, data: bytes) -> dict[str, Any]:
    value = folder.parsed(name, data)
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise StorageError(
            f"{folder / name} was altered, or comes from another version: {where}: {first['msg']}"
        ) from error
    return value
