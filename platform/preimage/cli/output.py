"""Standard output that may be full, closed or narrower than Unicode: what cannot be written is one error."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from preimage.errors import OutputError
from preimage.pipelines.lossy_stream import LossyStream

BROKEN_PIPE = 141
"""The exit code of a program whose reader has left, as shells report SIGPIPE."""


@contextmanager
def checked_output() -> Iterator[None]:
    """Standard output whose failures raise OutputError, also those that would else show as Python ends.

    Those of standard error are ignored: there is nowhere left to report them.
    """
    _require_open()
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        if callable(change := getattr(stream, "reconfigure", None)):
            change(errors="backslashreplace")  # a file's name may not be Unicode, a terminal may be ASCII
    checked, lossy = _Checked(out), LossyStream(err)
    sys.stdout, sys.stderr = cast(TextIO, checked), cast(TextIO, lossy)
    try:
        try:
            yield
        finally:
            checked.flush()
    except OutputError:
        _drop(out)
        raise
    finally:
        sys.stdout, sys.stderr = out, err
        if lossy.is_lost:
            _drop(err)


class _Checked:
    """A stream that raises OutputError, which no library takes for its own, where it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _failing():
            return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        with _failing():
            self._stream.writelines(lines)

    def flush(self) -> None:
        with _failing():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write to standard output: {error.strerror}", error.errno == errno.EPIPE
        ) from error


def _require_open() -> None:
    """Open what the caller has closed: a file that is opened later would else become standard output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _drop(stream: TextIO) -> None:
    """Send what is still buffered nowhere: Python would try again at its end, and print a second message."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
