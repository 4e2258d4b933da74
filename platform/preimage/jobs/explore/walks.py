"""The walks of an explore job: lines between the codes of images, and sums of averaged codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.jobs.explore.choice import Chooser
from preimage.jobs.explore.config import Arithmetic, Pairs
from preimage.jobs.explore.figures import Term
from preimage.jobs.sampling import make_images
from preimage.latents.priors import support_of
from preimage.latents.store import Store
from preimage.latents.walks import arithmetic, blend, first_ids, interpolate

MEMBERS = 3
"""How many of the averaged images are shown."""


def images_of(dataset: Dataset, ids: Sequence[int]) -> Tensor:
    """The images (n, C, H, W) in [-1, 1] with these ids, all of which must exist. Streams the dataset."""
    wanted, found = torch.tensor(ids, dtype=torch.int64), {}
    for first in range(0, dataset.count, 512):
        some = dataset.read(first, min(first + 512, dataset.count))
        here = torch.isin(some.image_id, wanted)
        found |= zip(some.image_id[here].tolist(), some.pixels[here], strict=True)
        if len(found) == len(set(ids)):
            break
    return to_float(torch.stack([found[each] for each in ids]))


@dataclass(frozen=True)
class Walker:
    """A generator, with its codes and the images they stand for."""

    generator: nn.Module
    store: Store
    dataset: Dataset

    def pairs(self, count: int) -> Pairs:
        """So many pairs of the store's first images."""
        ids = first_ids(self.store, 2 * count)
        return tuple(zip(ids[::2], ids[1::2], strict=False))

    def lines(self, pairs: Pairs, steps: int) -> Tensor:
        """Images of interpolated codes (pairs, steps, C, H, W). Raises StoreError if a code is missing."""
        begin, end = self.store.codes_of(_firsts_then_seconds(pairs)).chunk(2)
        codes = interpolate(begin, end, steps, support_of(self.store.about.prior))
        return make_images(self.generator, codes.flatten(0, 1)).unflatten(0, codes.shape[:2])

    def blends(self, pairs: Pairs, steps: int) -> Tensor:
        """Blended images (pairs, steps, C, H, W)."""
        begin, end = images_of(self.dataset, _firsts_then_seconds(pairs)).chunk(2)
        return blend(begin, end, steps)

    def sum(self, asked: Arithmetic) -> list[Term]:
        """The terms of a sum, followed by the result."""
        signs = [("+", each) for each in asked.plus] + [("\N{MINUS SIGN}", each) for each in asked.minus]
        codes = [self.chooser.average(each) for _, each in signs]
        result = arithmetic(
            codes[: len(asked.plus)], codes[len(asked.plus) :], support_of(self.store.about.prior)
        )
        images = make_images(self.generator, torch.stack([*codes, result]))
        terms = [
            Term(sign, choice.name, image, images_of(self.dataset, self.chooser.ids(choice, MEMBERS)))
            for (sign, choice), image in zip(signs, images, strict=False)
        ]
        return [*terms, Term("=", "", images[-1])]

    @property
    def chooser(self) -> Chooser:
        return Chooser(self.store, self.dataset)


def _firsts_then_seconds(pairs: Pairs) -> list[int]:
    return [pair[side] for side in (0, 1) for pair in pairs]
