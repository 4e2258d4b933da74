"""What tells a file from the file that it was, without reading it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from preimage.data.sources.base import Signature
from preimage.errors import DataError


def file_state(size: int, modified_ns: int, inode: int) -> str:
    """Changes when a file is rewritten, replaced or touched."""
    return f"{size} {modified_ns} {inode}"


def placed(state: str, address: str | None) -> str:
    """A state of files, with their address if that is object storage, where no inode tells files apart."""
    return f"{address} {state}" if address and "://" in address else state


def signed(files: Iterable[tuple[str, int, str]], *about: str) -> Signature:
    """The signature of files, as (name, size, state); about: whatever else decides what the images are."""
    listing, state = (hashlib.sha256("\0".join(about).encode()) for _ in range(2))
    for name, size, mark in files:
        line = f"\n{name}\0{size}".encode(errors="surrogateescape")
        listing.update(line)
        state.update(line + b"\0" + mark.encode())
    return Signature(listing.hexdigest(), state.hexdigest())


def signed_paths(root: Path, paths: Iterable[Path], *about: str) -> Signature:
    """The signature of local files below a folder. Raises DataError if one is missing."""
    try:
        found = [(str(path.relative_to(root)), os.stat(path)) for path in paths]
    except OSError as error:
        raise DataError(f"{root} lacks {error.filename}: copy or download it again") from error
    files = ((name, each.st_size, each.st_mtime_ns, each.st_ino) for name, each in found)
    return signed(((name, size, file_state(size, *rest)) for name, size, *rest in files), *about)
