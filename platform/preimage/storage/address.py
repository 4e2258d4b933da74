"""Addresses that a user gives, which of them is the results' root, and commands that name them."""

import os
import re
import shlex
from pathlib import Path

from preimage.errors import SpecError, StorageError
from preimage.storage.credentials import refusal

DEFAULT = "results"
"""The results' root where nobody names another."""
VARIABLE = "PREIMAGE_RESULTS"
SERVER = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")
"""What an s3:// address leaves open; of each pair the first counts."""

_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)(.*)")


def results_root(option: str | None = None, spec: str | None = None) -> str:
    """The address of all results: what the command names, or else the spec, PREIMAGE_RESULTS, or `results`.

    option: `--results` or `results=`. spec: the spec's own key. Raises StorageError like `expanded`.
    """
    given = (option, spec, os.environ.get(VARIABLE) or None)
    return expanded(next((each for each in given if each is not None), DEFAULT))


def named_root(option: str | None, override: str | None) -> str | None:
    """What `--results` and `results=` name together. Raises SpecError if they differ."""
    if None not in (option, override) and option != override:
        raise SpecError(f"--results {option} and results={override} differ: give one of them")
    return override if option is None else option


def command(*words: object, results: str | None = None) -> str:
    """A command as a shell takes it.

    results: the root that it needs, which it names unless it would find it without being told.
    """
    named = ("--results", results) if results is not None and results != results_root() else ()
    return shlex.join(map(str, (*words, *named)))


def split_options(address: str) -> tuple[str, str]:
    """The place that an address names, and what follows it: `?` and the options of its server."""
    place, question, options = address.partition("?") if "://" in address else (address, "", "")
    return place, question + options


def inside(address: str, *names: str) -> str:
    """The address of what lies below another."""
    place, options = split_options(address)
    return "/".join([place.rstrip("/"), *names]) + options


def name_of(address: str) -> str:
    """The last part of the place that an address names."""
    return split_options(address)[0].rstrip("/").rsplit("/", 1)[-1]


def server_variables() -> dict[str, str]:
    """The variables of this process that say which server an s3:// address means: workers need the same.

    Raises StorageError if one carries a password, which would be written into logs and Ray's records.
    """
    found = {name: value for name in SERVER if (value := os.environ.get(name))}
    for name, value in found.items():
        if refusal(value):
            raise StorageError(
                f"{name} carries a password or a key: remove it there, and set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
    return found


def expanded(address: str) -> str:
    """An address with `~` and variables such as `$HOME` filled in.

    Raises StorageError for a variable that is not set, and like `require_address`.
    """
    text = os.path.expandvars(address)
    if "$" in text:
        raise StorageError(f"{address!r} names a variable that is not set: set it, or write the path itself")
    require_address(text)
    return str(Path(text).expanduser()) if text.startswith("~") else text


def require_address(text: str) -> None:
    """Raise StorageError for text that would name a folder that nobody means: `s3:/bucket`, `~nobody/x`, or
    nothing at all."""
    if not text.strip():
        raise StorageError("an address is empty: give a path, or a URI such as s3://bucket/folder")
    if found := _ONE_SLASH.fullmatch(text):
        scheme, rest = found.groups()
        whole = f"{scheme}:///{rest}" if scheme == "file" else f"{scheme}://{rest}"
        raise StorageError(f"{text!r} is not a URI: write {whole}, or ./{text} if it is a path")
    scheme, colon, rest = text.partition("://")
    if colon and scheme != scheme.lower():
        raise StorageError(f"{text!r} is not an address: write {scheme.lower()}://{rest}")
    if text.startswith("~"):
        try:
            Path(text).expanduser()
        except RuntimeError as error:
            raise StorageError(f"{text!r} names a user that this machine does not know") from error
