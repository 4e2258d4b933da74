"""What is browsed: codes, the generator they belong to, their images, and priors, as far as each is there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from preimage.data.images_table import schema_of
from preimage.data.known_images import KnownImages
from preimage.data.pixels import to_uint8
from preimage.float32 import float32_products
from preimage.inversion.labels import classes_of, generate, in_batches
from preimage.latents.code_rows import CodeRows
from preimage.latents.priors import Prior
from preimage.latents.schema import Codes
from preimage.latents.store import Store
from preimage.models.cards import GeneratorCard

BATCH = 256
"""Codes that are decoded at a time."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """The images that codes stand for."""

    known: KnownImages

    def images(self, ids: np.ndarray) -> np.ndarray:
        """The originals (n, H, W, C) uint8 of image_ids (n,) int64, in that order. Raises DataError."""
        return self.known.pixels(ids).transpose(0, 2, 3, 1)

    def names(self, ids: np.ndarray) -> list[str]:
        """The images' names in their source."""
        return self.known.names(ids).to_pylist()

    def column(self, name: str, ids: np.ndarray) -> pa.Array:
        """(n,) values of one of the `columns`."""
        return self.known.column(name, ids)

    @cached_property
    def columns(self) -> pa.Schema:
        """The user's own columns of images.parquet."""
        found = schema_of(self.known.dataset.folder)
        return pa.schema([each for each in found if each.name not in ("image_id", "name", "label")])


@dataclass(frozen=True, eq=False)
class Subject:
    """What is browsed. Whatever is None is explained in `missing`."""

    name: str
    store: Store | None
    """The codes."""
    generator: nn.Module | None
    """In eval mode, on the CPU: see `decode`."""
    card: GeneratorCard | None
    pixels: Pixels | None
    """The originals."""
    priors: Mapping[str, Prior]
    """The generator's own first, by its kind's name; then each fitted one, by its run's name."""
    missing: tuple[str, ...]
    """Sentences: what cannot be shown, why, and what to do."""
    drawn: Codes | None = None
    """Where there is no store: codes drawn from the generator's prior, with the ids 0, 1, ..."""
    notes: tuple[str, ...] = ()
    """Sentences: what is to be known of the codes, though nothing is amiss."""
    made_by: str = ""
    """How the codes were made, in one line, where the run that made them says so."""

    @property
    def latent_dim(self) -> int:
        """Components of a code."""
        if self.store:
            return self.store.latent_dim
        assert self.drawn
        return self.drawn.z.shape[1]

    @property
    def searched(self) -> bool:
        """Whether a search found the codes, so that each has a loss."""
        return bool(self.store and self.store.about.searched)

    @property
    def fingerprint(self) -> str | None:
        """Of the store; None without one."""
        return self.store.fingerprint if self.store else None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label; empty if they are not known."""
        if self.store and self.store.about.classes:
            return self.store.about.classes
        return tuple(self.pixels.known.dataset.classes) if self.pixels else ()

    def batches(self, columns: Sequence[str] = ("z",)) -> Iterator[Codes]:
        """All codes in the store's order, a row group at a time, without those of images that diverged."""
        if self.store:
            yield from self.store.without_diverged(columns)
        elif self.drawn:
            yield self.drawn

    @cached_property
    def rows(self) -> CodeRows:
        """Which codes there are, without the codes themselves: see `codes_of`."""
        return CodeRows.of(self.store) if self.store else CodeRows.in_memory(self.drawn)

    @property
    def count(self) -> int:
        """Codes that are browsed: those of images that did not diverge."""
        return len(self.rows.ids)

    def codes_of(self, ids: np.ndarray) -> Codes:
        """The codes with these ids (n,), in that order; ids may repeat. Reads only the row groups that hold
        them. Raises StoreError for an id that has no code."""
        return self.rows.codes(ids)

    def __repr__(self) -> str:
        return f"<browsed {self.name}: {self.store or 'codes of a prior'}>"

    def decode(self, codes: np.ndarray | Tensor, labels: np.ndarray | Tensor | None = None) -> np.ndarray:
        """The generator's images (n, H, W, C) uint8 of codes (n, d) float32.

        labels: (n,), which a class-conditional generator takes; class 0 where there is none.
        """
        assert self.generator, "see `missing`"
        return decode(self.generator, codes, labels)

    def reconstructions(self, ids: np.ndarray) -> np.ndarray:
        """The generator's images (n, H, W, C) uint8 of the codes with these ids."""
        found = self.codes_of(ids)
        return self.decode(found.z, found.label)


@torch.no_grad()
@float32_products("ieee")
def decode(
    generator: nn.Module, codes: np.ndarray | Tensor, labels: np.ndarray | Tensor | None
) -> np.ndarray:
    """As `Subject.decode`."""
    z = torch.as_tensor(codes, dtype=torch.float32)
    given = None
    if classes := classes_of(generator):
        known = torch.zeros(len(z)) if labels is None else torch.as_tensor(labels)
        given = known.long().clamp(0, classes - 1)
    made = [to_uint8(generate(generator, *some)) for some in in_batches(z, given, BATCH)]
    return torch.cat(made).permute(0, 2, 3, 1).numpy()
