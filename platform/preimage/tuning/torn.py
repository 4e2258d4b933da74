"""Small files that a study can do without: one that a power cut or a hand has cut short is never fatal."""

import json
import logging
from functools import cache
from typing import Any

from preimage.storage.folder import Folder

log = logging.getLogger(__name__)


def read_unless_torn(folder: Folder, name: str, instead: str) -> Any | None:
    """A JSON file's value; None, and one warning in this process, if it holds none.

    instead: what happens now, to end the warning. Raises StorageError if the file cannot be read.
    """
    return unless_torn(folder.read(name), folder / name, instead)


def unless_torn(data: bytes, place: Folder, instead: str) -> Any | None:
    """As `read_unless_torn`, of a file that was read already."""
    try:
        if (value := json.loads(data)) is not None:
            return value
    except (ValueError, RecursionError):
        pass
    _warn(f"{place} is not JSON: it was cut short or altered. {instead}")
    return None


@cache
def _warn(message: str) -> None:
    log.warning("%s", message)
