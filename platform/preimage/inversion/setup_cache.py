"""The setups of a generator, kept in its folder: measured once, and read by whoever needs one next."""

import logging
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from preimage.errors import StorageError
from preimage.inversion.measurements import Measurement
from preimage.inversion.operators import OPERATORS
from preimage.inversion.setup import Asked, Setup
from preimage.inversion.setup_file import FORMAT, packed_setup
from preimage.models.cards import GeneratorCard
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.protocol import Entry

log = logging.getLogger(__name__)

SETUPS = "setups"
KEPT, KEPT_BYTES = 8, 1 << 30
"""Setups of a generator on disk, and their bytes; the ones written first go."""
NOT_KEPT = "what is measured of a generator for its inversion is not kept: %s"


@dataclass(frozen=True)
class SetupCache:
    """A generator's setups on disk, a file each, whose name holds the digests of all that determines the
    setup and of the file's content. What is damaged is measured again; where nothing can be written,
    everything is. They may be deleted at any time."""

    folder: Folder
    generator: tuple[Any, ...]
    """What identifies the generator and the prior."""

    @classmethod
    def beside(cls, generator: Folder, card: GeneratorCard) -> "SetupCache":
        """Of a generator's folder, for searches with its own prior."""
        return cls(generator / SETUPS, (card.fingerprint, card.generator.prior, card.prior_fingerprint))

    def setup(
        self,
        asked: Asked,
        measurement: Measurement,
        read: Callable[[bytes], Setup | None],
        measure: Callable[[], Setup],
        size: int = 0,
    ) -> Setup:
        """The setup that is kept, or that `measure` makes now; a process that makes one is waited for. read:
        a setup of a file's content, if it is one. size: its bytes; one that is too large is not kept."""
        config = measurement.config
        own = measurement.operator and (not config.operator or OPERATORS.plugin(config.operator))
        if own or not asked.size.pairs:  # nothing identifies a user's own operator
            return measure()
        if size > KEPT_BYTES:
            log.info(NOT_KEPT, f"it takes {size:,} bytes")
            return measure()
        known = FORMAT, self.generator, asked, config.model_dump(mode="json"), measurement.seed
        key = digest(canonical_json(known).encode())[:16]
        with ExitStack() as stack:
            try:
                if found := self._find(key, read):
                    return found
                folder, _ = stack.enter_context(claimed(self.folder, brief=True))
                if found := self._find(key, read):
                    return found
            except StorageError as error:
                log.info(NOT_KEPT, error)
                return measure()
            made = measure()
            _keep(folder, key, packed_setup(made))
            return made

    def _find(self, key: str, read: Callable[[bytes], Setup | None]) -> Setup | None:
        for name in self.folder.files():
            if not name.startswith(key):
                continue
            data = self.folder.find(name)
            if data is not None and name == _name(key, data) and (found := read(data)):
                return found
            log.warning("%s is damaged: it is made again", self.folder / name)
        return None


def _keep(folder: Folder, key: str, data: bytes) -> None:
    """Write a setup in place of those of its key, and of the oldest beyond the number kept."""
    try:
        others = sorted(
            (each for each in folder.entries() if _is_setup(each) and each.name != _name(key, data)),
            key=lambda each: (not each.name.startswith(key), each.modified_ns, each.name),
        )
        folder.write(_name(key, data), data, durable=False)
        count, size = 1 + len(others), len(data) + sum(each.size for each in others)
        for each in others:
            if count <= KEPT and size <= KEPT_BYTES and not each.name.startswith(key):
                break
            folder.remove(each.name)
            count, size = count - 1, size - each.size
    except StorageError as error:
        log.info(NOT_KEPT, error)


def _is_setup(entry: Entry) -> bool:
    """Whether it is one by its name: a file of somebody else stays."""
    return entry.is_file and bool(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{16}\.safetensors", entry.name))


def _name(key: str, data: bytes) -> str:
    return f"{key}-{digest(data)[:16]}.safetensors"
