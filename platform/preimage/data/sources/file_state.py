"""What tells a file from the file that it was, without reading it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from preimage.data.config import SOURCES, DataConfig
from preimage.data.sources.base import Signature
from preimage.errors import DataError


def cache() -> Path:
    """Where downloads go: $PREIMAGE_CACHE, or ~/.cache/preimage."""
    return Path(os.environ.get("PREIMAGE_CACHE") or "~/.cache/preimage").expanduser().absolute()


def file_state(size: int, modified_ns: int, inode: int) -> str:
    """Changes when a file is rewritten, replaced or touched."""
    return f"{size} {modified_ns} {inode}"


def placed(state: str, config: DataConfig) -> str:
    """A state of a config's files, with their address if that is object storage, where no inode tells files
    apart, and with the plugin that reads them, whose other version may read other images."""
    address = [config.path] if config.path and "://" in config.path else []
    plugin = SOURCES.plugin(config.source)
    return " ".join([*([str(plugin)] if plugin else []), *address, state])


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
