"""Walks among the codes of a store: the fitted Gaussian, averages, lines and sums.

The store is streamed, so memory does not grow with it; codes of diverged images are skipped.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from preimage.errors import StoreError
from preimage.latents.code_rows import listed
from preimage.latents.priors import Gaussian, Support, project, support_of
from preimage.latents.schema import UNLABELLED, Codes
from preimage.latents.statistics import Moments, store_moments
from preimage.latents.store import Store

Chosen = Callable[[Codes], Tensor]
"""Which rows of a batch are chosen, (n,) bool; the batch has image_id and label."""


def fit_gaussian(store: Store) -> Gaussian:
    """One Gaussian with the full covariance of the codes (glo, section 3.3.2), projected onto the unit ball
    if the generator's codes are in it. Codes of a box are not clipped to it: a search may leave it as well.

    Raises PreimageError for fewer than two codes.
    """
    ball = support_of(store.about.prior) == "ball"
    return Gaussian.fit(store_moments(store), "ball" if ball else "anywhere")


def every(codes: Codes) -> Tensor:
    """Choose all images."""
    return torch.ones(len(codes), dtype=torch.bool)


def first_ids(store: Store, count: int, chosen: Chosen = every) -> list[int]:
    """The ids of at most `count` images: the first chosen ones that the store has."""
    ids: list[int] = []
    for codes in store.without_diverged(("label",)):
        ids += codes.image_id[chosen(codes)][: count - len(ids)].tolist()
        if len(ids) == count:
            break
    return ids


def average(store: Store, chosen: Chosen = every, most: int | None = None) -> Tensor:
    """The mean code (d,) of the chosen images (glo, section 3.3.4), or of the first `most` of them.

    Raises StoreError if the store has none of them.
    """
    moments, labels = Moments.empty(store.latent_dim), set()
    for codes in store.without_diverged(("z", "label")):
        z = codes.z[chosen(codes)]
        moments = moments.update(z if most is None else z[: most - moments.count])
        labels |= set(codes.label.unique().tolist())
        if moments.count == most:
            break
    if not moments.count:
        named = listed(sorted(labels - {UNLABELLED}))
        there = f"have the labels {named}" if named else "have no labels"
        raise StoreError(f"the store has no code of such an image: its {store.count:,} images {there}")
    return moments.mean.float()


def interpolate(a: Tensor, b: Tensor, steps: int, support: Support = "anywhere") -> Tensor:
    """Straight lines from codes a (n, d) to b (n, d), `steps` codes per line with both ends: (n, steps, d)
    (glo, section 3.3.3), projected onto the unit ball if that is the support."""
    return within(blend(a, b, steps).flatten(0, 1), support).unflatten(0, (len(a), steps))


def blend(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Weighted means of a (n, ...) and b (n, ...), `steps` per row with both ends: (n, steps, ...). Blended
    images are the baseline for interpolated codes."""
    weights = torch.linspace(0, 1, steps, device=a.device).view(1, steps, *[1] * (a.dim() - 1))
    return torch.lerp(a[:, None], b[:, None], weights)


def arithmetic(plus: Sequence[Tensor], minus: Sequence[Tensor], support: Support = "anywhere") -> Tensor:
    """The sum (d,) of codes (d,) minus the sum of others (glo, section 3.3.4), projected onto the unit ball
    if that is the support. `plus` holds at least one code."""
    total = torch.stack([*plus, *(-each for each in minus)]).sum(0)
    return within(total[None], support)[0]


def within(codes: Tensor, support: Support) -> Tensor:
    """Codes (n, d); those outside the unit ball are projected onto it if that is the support."""
    return project(codes) if support == "ball" else codes
