"""A bucket of S3 or of Google Cloud Storage, by obstore."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import GCSStore, ObjectStore, S3Store
from pyarrow import fs

from preimage.storage.address import server_variables
from preimage.storage.objects import Conflict, Fetched, Meta, Version

PATIENCE = timedelta(seconds=60)
"""How long a request is tried again before its failure is an error."""
RETRIES = 8
AT_ONCE = 1000
"""Keys that one request deletes."""
QUERY = ("endpoint_override", "scheme", "region")
"""What an S3 address may say of its server, as pyarrow names it."""


class Bucket:
    """One bucket. In another process it is opened again, with the credentials that are there: a store of
    obstore would take those of a profile with it."""

    def __init__(self, store: ObjectStore, opened_by: tuple[str, str, str]) -> None:
        self._store, self._opened_by = store, opened_by

    def __reduce__(self) -> Any:
        return open_bucket, self._opened_by

    def get(self, key: str) -> Fetched:
        with _explained(key):
            found = obstore.get(self._store, key)
            meta = found.meta
            return Fetched(bytes(found.bytes()), meta["size"], meta["e_tag"] or "")

    def get_range(self, key: str, start: int, length: int) -> bytes:
        with _explained(key):
            return bytes(obstore.get_range(self._store, key, start=start, length=length))

    def tail(self, key: str, length: int) -> Fetched:
        with _explained(key):
            try:
                found = obstore.get(self._store, key, options={"range": {"suffix": length}})
                meta = found.meta
                return Fetched(bytes(found.bytes()), meta["size"], meta["e_tag"] or "")
            except BaseError:  # an empty object has no end, as some servers say
                if self.head(key).size:
                    raise
                return Fetched(b"", 0, "")

    def head(self, key: str) -> Meta:
        with _explained(key):
            return _meta(obstore.head(self._store, key))

    def put(self, key: str, data: bytes | BinaryIO, over: Version = "any") -> str:
        mode: Any = {"any": "overwrite", None: "create"}.get(over, {"e_tag": over})
        with _explained(key):
            return obstore.put(self._store, key, data, mode=mode)["e_tag"] or ""

    def listed(self, prefix: str, recursive: bool) -> tuple[list[Meta], list[str]]:
        with _explained(prefix):
            if recursive:
                return [_meta(each) for each in obstore.list(self._store, prefix or None).collect()], []
            found = obstore.list_with_delimiter(self._store, prefix or None)
            return [_meta(each) for each in found["objects"]], list(found["common_prefixes"])

    def holds(self, prefix: str) -> bool:
        with _explained(prefix):
            return any(True for page in obstore.list(self._store, prefix or None, chunk_size=1) for _ in page)

    def delete(self, keys: list[str]) -> None:
        for first in range(0, len(keys), AT_ONCE):
            with _explained(keys[first]):
                obstore.delete(self._store, keys[first : first + AT_ONCE])


def open_bucket(scheme: str, bucket: str, query: str) -> Bucket:
    """The bucket of an s3:// or gs:// address. Raises OSError or ValueError if it cannot be opened."""
    retries: Any = {"max_retries": RETRIES, "retry_timeout": PATIENCE}
    if scheme == "s3":
        server = server_of(bucket, query)
        found = S3Store(bucket, retry_config=retries, **_s3_options(server))
    elif query:
        raise ValueError(f"a {scheme}:// address has no options, but this one has {query}")
    else:
        found = GCSStore(bucket, retry_config=retries)
    return Bucket(found, (scheme, bucket, query))


class Server(NamedTuple):
    """Where a bucket of S3 is."""

    endpoint: str | None
    """None: Amazon's own."""
    region: str


def server_of(bucket: str, query: str) -> Server:
    """The server that an s3:// address names by its options, or else the environment.

    Raises ValueError for an option that is not known, OSError if no region is named and none is found.
    """
    asked = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    if unknown := sorted(asked.keys() - set(QUERY)):
        raise ValueError(f"unknown option {', '.join(unknown)}: an s3:// address may have {', '.join(QUERY)}")
    endpoint = asked.get("endpoint_override")
    if endpoint and "://" not in endpoint:
        endpoint = f"{asked.get('scheme', 'https')}://{endpoint}"
    known = server_variables()
    endpoint = endpoint or known.get("AWS_ENDPOINT_URL_S3") or known.get("AWS_ENDPOINT_URL")
    region = asked.get("region") or known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION")
    return Server(endpoint, region or ("us-east-1" if endpoint else _region(bucket)))


def _s3_options(server: Server) -> dict[str, Any]:
    options: dict[str, Any] = {"region": server.region}
    if server.endpoint:
        http = server.endpoint.startswith("http://")
        options |= {"endpoint": server.endpoint, "client_options": {"allow_http": http}}
    return options | _credentials()


@cache
def _region(bucket: str) -> str:
    return fs.resolve_s3_region(bucket)


def _credentials() -> dict[str, Any]:
    """obstore itself finds those of the environment, of a web identity, a container or a machine. Those of a
    profile in ~/.aws it finds by boto3. Raises OSError if that is not installed."""
    profile = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    known = "AWS_ACCESS_KEY_ID" in os.environ or "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ
    if known or not ("AWS_PROFILE" in os.environ or Path(profile).expanduser().exists()):
        return {}
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise OSError(
            "the credentials of a profile in ~/.aws need another package: pip install boto3, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    return {"credential_provider": Boto3CredentialProvider()}


def _meta(found: Any) -> Meta:
    modified = found["last_modified"]
    return Meta(found["path"], found["size"], int(modified.timestamp() * 1e9), found["e_tag"] or "")


@contextmanager
def _explained(key: str) -> Iterator[None]:
    """Raise what Python's own files raise, in one line."""
    try:
        yield
    except (AlreadyExistsError, PreconditionError) as error:
        raise Conflict(key) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise PermissionError(_line(error)) from error
    except FileNotFoundError as error:
        raise FileNotFoundError(_line(error)) from error
    except BaseError as error:
        raise OSError(_line(error)) from error


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:400]
