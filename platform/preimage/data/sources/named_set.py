"""Public datasets by name: from their own files, wherever they are, or from a tree or .zip of images."""

import contextlib
import http.client
import io
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from preimage.data.config import DataConfig, SourceKind
from preimage.data.sources.base import AnySource
from preimage.data.sources.file_state import cache
from preimage.data.sources.folder import FilesSource
from preimage.data.sources.listing import holds_images
from preimage.errors import DataError

DOWNLOAD_TIMEOUT = 15.0
"""Seconds to wait for a server's answer."""


@dataclass(frozen=True)
class NamedSet:
    """A public dataset."""

    name: str
    layout: str
    """What its own files are; it follows `Expected:`."""
    own: Callable[[Path, DataConfig], Path | None]
    """The folder of its own files, from a path that may be that of a folder above or in it; None if there are
    none. Looks at file names only."""
    opened: Callable[[Path, DataConfig], AnySource]
    """Opens the files in that folder."""
    download: Callable[[Path], Any] | None = None
    """Downloads its files into an empty folder; None if that has to be done by hand."""
    installed: Callable[[Path, DataConfig], Path | None] | None = None
    """Where else its files are without a path, given the folder in the cache; by default what `own` finds in
    that folder."""
    hint: str = ""
    """Another way to get it, in a sentence."""
    keys: str = ""
    """Further keys that it needs, as the command line has them."""

    def kind(self, about: str, **facts: Any) -> SourceKind:
        """Its entry in the registry. facts: what else SourceKind says."""
        return SourceKind(
            about, self.open, path="optional", splits=None, folders=True, find=self.find, fetch=self.fetch,
            **facts,
        )  # fmt: skip

    def open(self, config: DataConfig) -> AnySource:
        """Raises DataError if its path holds neither its own files nor images."""
        address = config.path or ""
        if "://" in address:
            return FilesSource(address, config)
        path = Path(address)
        if folder := self.own(path, config):
            return self.opened(folder, config)
        if holds_images(path):
            return FilesSource(path, config)
        raise DataError(
            f"{path} holds neither {self.name}'s own files nor images. Expected: {self.layout}. "
            "A tree or a .zip of images works too."
        )

    def find(self, config: DataConfig) -> Path | None:
        """Where its files are without a download."""
        return (self.installed or self.own)(cache() / self.name, config)

    def fetch(self, config: DataConfig) -> Path:
        """Download it into the cache, whole or not at all, and return its folder.

        Raises DataError if that fails, or if it must be downloaded by hand.
        """
        if not self.download:
            raise DataError(f"{self.name} must be downloaded by hand.\n{self._remedy}")
        unfinished = cache() / f".{self.name}-{uuid4().hex}"
        try:
            unfinished.mkdir(parents=True)
            with _quietly():
                self.download(unfinished)
            if not (cache() / self.name).exists():  # another process may have been first
                unfinished.rename(cache() / self.name)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{self.name} is not on this machine and its download failed ({reason}).\n{self._remedy}"
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return cache() / self.name

    @property
    def _remedy(self) -> str:
        return (
            f"{self.hint}In a folder, put {self.layout}; or a tree or .zip of its images. Then run:\n"
            f"  preimage data prepare {self.name}{self.keys} data.path=FOLDER"
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence torchvision's progress bars, and limit the wait for a server."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
