"""What tells a file from the file that it was, without reading it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from preimage.data.sources.base import Signature


def file_state(found: os.stat_result) -> str:
    """Changes when a file is rewritten, replaced or touched."""
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def signed(files: Iterable[tuple[str, int, str]], *about: str) -> Signature:
    """The signature of files, as (name, size, state); about: whatever else decides what the images are."""
    listing, state = (hashlib.sha256("\0".join(about).encode()) for _ in range(2))
    for name, size, mark in files:
        line = f"\n{name}\0{size}".encode(errors="surrogateescape")
        listing.update(line)
        state.update(line + b"\0" + mark.encode())
    return Signature(listing.hexdigest(), state.hexdigest())


def signed_paths(root: Path, paths: Iterable[Path], *about: str) -> Signature:
    """The signature of local files below a folder. Raises OSError if one is missing."""
    found = ((path, os.stat(path)) for path in paths)
    return signed(
        ((str(path.relative_to(root)), each.st_size, file_state(each)) for path, each in found), *about
    )
