"""Held-out codes, chosen by image_id alone, and their likelihood under a prior."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.latents.prior_kinds import TrainingCodes
from preimage.latents.priors import Dense, NoDensityError
from preimage.latents.schema import Codes
from preimage.latents.store import Store
from preimage.random_streams import place_of

ROWS = 8192
"""Codes per batch: a density needs some float64 numbers for each of their components."""


def is_held_out(image_id: Tensor, fraction: float) -> Tensor:
    """(n,) bool: whether images (n,) int64 are held out, at that fraction of all possible ones.

    Depends on the id alone, so that every fit holds out the same images, whatever the store, its parts and
    the seed. An image held out at one fraction is held out at every larger one.
    """
    return place_of(image_id) < fraction


@dataclass(frozen=True)
class Split:
    """A store's codes in two parts: training and held-out. Diverged images are in neither. Codes stream in
    batches (n, d) float32."""

    store: Store
    fraction: float
    """Approximate fraction of images held out: each has this chance."""

    @property
    def training_codes(self) -> TrainingCodes:
        """What a prior is fitted to."""
        return TrainingCodes(self.training, lambda count: self.some(count, False), self.store.latent_dim)

    def training(self) -> Iterator[Tensor]:
        return (codes.z for codes in self._part(held_out=False))

    def held_out(self) -> Iterator[Tensor]:
        return (codes.z for codes in self._part(held_out=True))

    def some(self, count: int, held_out: bool) -> Tensor:
        """At most `count` codes (m, d) of one part, as good as random: those whose ids hash lowest. They are
        the same, in the same order, however the store is divided into parts."""
        place, z = torch.empty(0, dtype=torch.float64), torch.empty(0, self.store.latent_dim)
        for codes in self._part(held_out):
            place, z = torch.cat([place, place_of(codes.image_id)]), torch.cat([z, codes.z])
            first = place.argsort()[:count]
            place, z = place[first], z[first]
        return z

    def _part(self, held_out: bool) -> Iterator[Codes]:
        for codes in self.store.without_diverged(("z",), ROWS):
            out = is_held_out(codes.image_id, self.fraction)
            yield codes[out if held_out else ~out]


@dataclass(frozen=True)
class Likelihood:
    """How likely codes are under a prior."""

    count: int
    mean: float | None
    """Mean log density of a code, in nats; None if there is no density, or some codes are outside."""
    outside: float = 0.0
    """The fraction of codes where the prior's density is 0."""
    reason: str = ""
    """Why there is no density, if there is none."""


def likelihood(prior: Dense, batches: Iterable[Tensor]) -> Likelihood:
    """The likelihood of codes streamed in batches (n, d)."""
    total, outside, count, reason = 0.0, 0, 0, ""
    for z in batches:
        count += len(z)
        try:
            density = prior.log_density(z)
        except NoDensityError as error:
            reason = str(error)
            continue
        inside = density > -torch.inf
        total += density[inside].sum().item()
        outside += int((~inside).sum())
    known = count and not outside and not reason
    return Likelihood(count, total / count if known else None, outside / max(1, count), reason)
