"""A bucket of S3 or of Google Cloud Storage, by obstore."""

import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import obstore
from obstore.exceptions import BaseError
from obstore.store import GCSStore, ObjectStore, S3Store
from pyarrow import fs

from preimage.errors import StorageError
from preimage.extras import require
from preimage.storage.address import server_variables
from preimage.storage.bucket_errors import NoCredentials, Unanswered, meaning
from preimage.storage.objects import Fetched, Meta, Version

Answer = TypeVar("Answer")

FIRST_PATIENCE = 8.0
"""Seconds for which requests are made again until the bucket has answered once: its address may be wrong."""
PATIENCE = 90.0
"""Seconds for which a request is made again later on, while a job runs."""
LONGEST_PAUSE = 5.0
RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
"""What obstore does by itself, of which the parts of a large object profit."""
ANSWERS: Any = {"timeout": "15min", "read_timeout": "25s"}
"""A request fails if nothing comes for 25 seconds: a claim bears to be renewed that much later."""
UPLOADS: Any = {"timeout": "15min"}
"""Nothing comes while a part of a large object is on its way, over whatever line."""
PARTS_AT_ONCE = 4
AT_ONCE = 1000
"""Keys that one request deletes."""
QUERY = ("endpoint_override", "scheme", "region")
"""What an S3 address may say of its server, as pyarrow names it."""

_NO_PART = re.compile("InvalidRange|non-partial response")


class Bucket:
    """One bucket. In another process it is opened again, with the credentials that are there. It is patient
    with a server that has answered before, also there."""

    def __init__(
        self,
        opened_by: tuple[str, str, str],
        store: ObjectStore,
        uploads: ObjectStore,
        etag: Literal["e_tag", "version"] = "e_tag",
    ) -> None:
        """The same bucket twice. etag: what names a version of an object, for Google the `version`."""
        self._opened_by, self._store, self._uploads, self._etag = opened_by, store, uploads, etag
        self._name, self._answered = opened_by[1], False

    def __reduce__(self) -> Any:
        return _opened_again, (self._opened_by, self._answered)

    def get(self, key: str) -> Fetched:
        return self._ask(key, lambda: self._fetched(obstore.get(self._store, key)))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._ask(key, lambda: bytes(obstore.get_range(self._store, key, start=start, length=length)))

    def start(self, key: str, length: int) -> Fetched:
        return self._part(key, (0, length))

    def tail(self, key: str, length: int) -> Fetched:
        return self._part(key, {"suffix": length})

    def _part(self, key: str, part: Any) -> Fetched:
        try:
            return self._ask(
                key, lambda: self._fetched(obstore.get(self._store, key, options={"range": part}))
            )
        except OSError as error:  # of an empty object there is no part, and some servers answer with all
            if not _NO_PART.search(str(error)):
                raise
            return self.get(key)

    def head(self, key: str) -> Meta:
        try:
            return self._ask(key, lambda: self._meta(obstore.head(self._store, key)))
        except OSError as error:
            if isinstance(error, PermissionError) or str(error).startswith("400"):
                self.get_range(key, 0, 1)  # an answer to GET has words that say what is wrong
            raise

    def put(self, key: str, data: bytes | BinaryIO, over: Version = "any") -> str:
        mode: Any = {"any": "overwrite", None: "create"}.get(over, {self._etag: over})
        store = self._uploads if over == "any" else self._store

        def send() -> str:
            if not isinstance(data, bytes | bytearray | memoryview):
                data.seek(0)
            return obstore.put(store, key, data, mode=mode, max_concurrency=PARTS_AT_ONCE)[self._etag] or ""

        return self._ask(key, send)

    def listed(self, prefix: str, recursive: bool) -> tuple[list[Meta], list[str]]:
        def read() -> tuple[list[Meta], list[str]]:
            if recursive:
                return [self._meta(each) for each in obstore.list(self._store, prefix or None).collect()], []
            found = obstore.list_with_delimiter(self._store, prefix or None)
            return [self._meta(each) for each in found["objects"]], list(found["common_prefixes"])

        return self._ask(prefix.rstrip("/") or self._name, read)

    def holds(self, prefix: str) -> bool:
        def read() -> bool:
            return any(True for page in obstore.list(self._store, prefix or None, chunk_size=1) for _ in page)

        return self._ask(prefix.rstrip("/") or self._name, read)

    def delete(self, keys: list[str]) -> None:
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            self._ask(some[0], lambda some=some: obstore.delete(self._store, some))

    def _ask(self, key: str, request: Callable[[], Answer]) -> Answer:
        """Make a request, again and again while there is no answer. Raises as `Objects` has it."""
        require_key(key)
        began, pause, tries = time.monotonic(), 0.2, 0
        while True:
            tries += 1
            try:
                answer = request()
            except (BaseError, FileNotFoundError) as error:
                why = meaning(error, self._name, key)
                spent = time.monotonic() - began
                passing = isinstance(why, Unanswered)
                if not passing or (isinstance(why, NoCredentials) and not self._answered):
                    self._answered |= not passing
                    raise why from error
                if spent + pause > (PATIENCE if self._answered else FIRST_PATIENCE):
                    raise OSError(f"{why}; gave up after {spent:.0f} seconds (tries: {tries})") from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._answered = True
                return answer

    def _fetched(self, found: Any) -> Fetched:
        return Fetched(bytes(found.bytes()), found.meta["size"], found.meta[self._etag] or "")

    def _meta(self, found: Any) -> Meta:
        modified = found["last_modified"]
        return Meta(found["path"], found["size"], int(modified.timestamp() * 1e9), found[self._etag] or "")


def require_key(key: str) -> None:
    """Raise ValueError for a key that obstore refuses, or changes."""
    controls = any(character < " " or character == "\x7f" for character in key)
    if controls or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(
            f"{key!r} cannot name an object: it has an empty part between slashes, a part that is . or .., "
            "or a control character"
        )


def open_bucket(scheme: str, bucket: str, query: str) -> Bucket:
    """The bucket of an s3:// or gs:// address. Raises OSError or ValueError if it cannot be opened."""
    opened_by = (scheme, bucket, query)
    if scheme == "s3":
        server = server_of(bucket, query)
        options: dict[str, Any] = {"region": server.region, "retry_config": RETRIES} | _credentials()
        client = {"allow_http": False}
        if server.endpoint:
            options |= {"endpoint": server.endpoint}
            client = {"allow_http": server.endpoint.startswith("http://")}
        answers, uploads = (
            S3Store(bucket, client_options=client | limits, **options) for limits in (ANSWERS, UPLOADS)
        )
        return Bucket(opened_by, answers, uploads)
    if query:
        raise ValueError(f"a {scheme}:// address has no options, but this one has {query}")
    answers, uploads = (
        GCSStore(bucket, retry_config=RETRIES, client_options=limits) for limits in (ANSWERS, UPLOADS)
    )
    return Bucket(opened_by, answers, uploads, etag="version")


def _opened_again(opened_by: tuple[str, str, str], answered: bool) -> Bucket:
    found = open_bucket(*opened_by)
    found._answered = answered
    return found


class Server(NamedTuple):
    """Where a bucket of S3 is."""

    endpoint: str | None
    """None: Amazon's own."""
    region: str


def server_of(bucket: str, query: str) -> Server:
    """The server that an s3:// address names by its options, or else the environment.

    Raises ValueError for an option that is unknown or no URL, OSError if no region is named or found.
    """
    asked = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    if unknown := sorted(asked.keys() - set(QUERY)):
        raise ValueError(f"unknown option {', '.join(unknown)}: an s3:// address may have {', '.join(QUERY)}")
    known = server_variables()
    endpoint = _endpoint(asked, known)
    region = asked.get("region") or known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION")
    return Server(endpoint, region or ("us-east-1" if endpoint else _region(bucket)))


def _endpoint(asked: dict[str, str], known: dict[str, str]) -> str | None:
    """The URL of a server other than Amazon's. Raises ValueError if it is none."""
    name, found = "endpoint_override", asked.get("endpoint_override")
    if found and "://" not in found:
        found = f"{asked.get('scheme', 'https')}://{found}"
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if not found:
            name, found = variable, known.get(variable)
    if found and not re.fullmatch(r"https?://([\w.-]+|\[[\da-f:.]+\])(:\d+)?(/[^\s?#]*)?", found):
        raise ValueError(
            f"{name} must be the URL of a server, such as http://127.0.0.1:9000, but is {found!r}"
        )
    return found.rstrip("/") if found else None


@cache
def _region(bucket: str) -> str:
    try:
        return fs.resolve_s3_region(bucket)
    except OSError as error:
        why = str(error).rpartition("Details: ")[2].rpartition("': ")[2]
        raise OSError(
            f"the region of the bucket {bucket} was not found ({why}): set AWS_REGION, or "
            f"name a server that is not Amazon's: s3://{bucket}/folder?endpoint_override=http://HOST:PORT"
        ) from error


def _credentials() -> dict[str, Any]:
    """obstore itself finds those of the environment, of a web identity, a container or a machine. Those of a
    profile in ~/.aws it finds by boto3. Raises StorageError if that is not installed, OSError if
    it finds none."""
    files = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}
    paths = [Path(os.environ.get(name, usual)).expanduser() for name, usual in files.items()]
    known = "AWS_ACCESS_KEY_ID" in os.environ or "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ
    if known or not ("AWS_PROFILE" in os.environ or any(path.exists() for path in paths)):
        return {}
    without = "a profile in ~/.aws (unless AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set)"
    require(without, "boto3", kind=StorageError)
    from preimage.storage.aws_profile import Profile

    return {"credential_provider": Profile()}
