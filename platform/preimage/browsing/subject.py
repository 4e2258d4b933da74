"""What a page shows: codes, their generator, the images they stand for, and priors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from preimage.latents.priors import Prior
from preimage.latents.store import Store
from preimage.models.cards import GeneratorCard


class Pixels(Protocol):
    """The images that codes stand for."""

    def images(self, ids: np.ndarray) -> np.ndarray:
        """uint8 (n, H, W, C), of images with these ids (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Subject:
    """What is browsed. Whatever is None is explained in `missing`."""

    name: str
    store: Store | None
    """The codes."""
    generator: nn.Module | None
    """In eval mode, on the CPU."""
    card: GeneratorCard | None
    pixels: Pixels | None
    """The originals."""
    priors: Mapping[str, Prior]
    """The generator's own first; then each fitted one, by its run's name."""
    missing: tuple[str, ...]
    """Sentences: what cannot be shown, why, and what to do."""
