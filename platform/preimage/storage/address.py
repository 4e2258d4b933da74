"""Addresses that a user gives, and which of them is the results' root."""

import os
import re
import shlex
from pathlib import Path

from preimage.errors import SpecError, StorageError

DEFAULT = "results"
"""The results' root where nobody names another."""
VARIABLE = "PREIMAGE_RESULTS"

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


def results_option(root: str) -> str:
    """How a command names this root: empty if it is what a command finds without being told."""
    return "" if root == results_root() else f" --results {shlex.quote(root)}"


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
    if text.startswith("~"):
        try:
            Path(text).expanduser()
        except RuntimeError as error:
            raise StorageError(f"{text!r} names a user that this machine does not know") from error
