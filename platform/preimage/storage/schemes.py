"""Which storage an address names: a path, or a URI by its scheme."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from pyarrow import fs

from preimage.errors import StorageError
from preimage.extras import require
from preimage.storage.address import split_options
from preimage.storage.local import LocalStorage
from preimage.storage.protocol import Storage

Opened = tuple[Storage, str]
"""A storage, and a path in it."""


def opened(address: str) -> Opened:
    """Raises OSError, ValueError, ImportError or an ArrowException for what cannot be opened."""
    scheme, colon, rest = address.partition("://")
    if not colon:
        return LocalStorage(), str(Path(address).expanduser().absolute())
    return SCHEMES.get(scheme, _other)(scheme, rest)


def _file(scheme: str, rest: str) -> Opened:
    _, path = fs.FileSystem.from_uri(f"{scheme}://{rest}")
    return LocalStorage(), path


def _bucket(scheme: str, rest: str) -> Opened:
    require(f"an address of {scheme}://", "obstore", kind=StorageError)
    from preimage.storage.bucket import open_bucket, require_key  # imported only if it is needed
    from preimage.storage.object_storage import ObjectStorage

    place, options = split_options(f"{scheme}://{rest}")
    path = place.partition("://")[2].rstrip("/")
    bucket, _, key = path.partition("/")
    if not bucket:
        raise ValueError(f"it names no bucket: write {scheme}://bucket/folder")
    if "@" in bucket:
        raise ValueError("it names a user, but credentials come from the environment")
    if key:
        require_key(key)
    return ObjectStorage(open_bucket(scheme, bucket, options[1:]), scheme, bucket, options), path


def _other(scheme: str, rest: str) -> Opened:
    from preimage.storage.other import OtherStorage

    filesystem, path = fs.FileSystem.from_uri(f"{scheme}://{rest}")
    given, question, query = rest.partition("?")
    at = unquote(given).rfind(path.rstrip("/")) if path.strip("/") else len(given)
    return OtherStorage(filesystem, f"{scheme}://{given[: max(at, 0)]}", question + query), path


SCHEMES: dict[str, Callable[[str, str], Opened]] = {
    "file": _file,
    "s3": _bucket,
    "gs": _bucket,
    "gcs": _bucket,
}
"""How the addresses of each scheme are opened: (scheme, what follows ://). Any other is opened by pyarrow."""
