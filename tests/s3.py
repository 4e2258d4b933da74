"""A real S3 server: in this process, or at PREIMAGE_TEST_S3, with the credentials of the environment."""

import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSystem

from preimage.storage.folder import Folder

OTHER = os.environ.get("PREIMAGE_TEST_S3")
_NAMES = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
CREDENTIALS = {name: (OTHER and os.environ.get(name)) or usual for name, usual in _NAMES.items()}


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a server that takes `CREDENTIALS`."""
    if OTHER:
        yield OTHER
        return
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _make_atomic(server)
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _make_atomic(server: ThreadedMotoServer) -> None:
    """One request at a time. By itself moto looks, then writes: 4 of 1,000 races of eight processes had two
    winners."""
    assert server._server
    lock, answer = threading.Lock(), server._server.app

    def alone(environ: Any, start_response: Any) -> Any:
        with lock:
            return answer(environ, start_response)

    server._server.app = alone


def make_bucket(name: str) -> None:
    """At the server that AWS_ENDPOINT_URL names."""
    filesystem, path = FileSystem.from_uri(f"s3://{name}?allow_bucket_creation=true")
    filesystem.create_dir(path)


def with_options(folder: Folder, url: str) -> Folder:
    """The same place by an address that names its server, as results in it are given."""
    return Folder.at(f"{folder.uri}/res?endpoint_override={url}&scheme=http&region=us-east-1")


def texts(folder: Folder) -> dict[str, str]:
    """Every file below a folder that people read, by its address."""
    found = {}
    for each in folder.entries():
        if not each.is_file:
            found |= texts(folder / each.name)
        elif each.name.endswith((".json", ".yaml", ".md", ".jsonl", ".log")):
            found[(folder / each.name).uri] = folder.read(each.name).decode()
    return found


def require_whole_addresses(root: Folder, found: Iterable[str]) -> None:
    """Assert that every address in these texts opens what is there, with the options of the root's own."""
    addresses = {each.rstrip(".:") for text in found for each in re.findall(r"s3://[^\s\"'`,;]+", text)}
    assert any("/runs/" in each for each in addresses)
    options = root.uri.partition("?")[2]
    assert [each for each in addresses if not each.endswith(options)] == []
    assert [each for each in addresses if not Folder.at(each).exists()] == []
