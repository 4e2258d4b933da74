"""A stream that may fail while work goes on."""

from collections.abc import Iterable
from typing import IO, Any

from preimage.errors import OutputError


class LossyStream:
    """Passes text on as long as the stream takes it: a full disk or a lost reader ends no training run."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream, self.is_lost = stream, False

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except (OSError, OutputError):
            self.is_lost = True
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, OutputError):
            self.is_lost = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
