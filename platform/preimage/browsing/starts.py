"""Where completions start: draws of the prior and known codes that already agree with what is seen."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from preimage.browsing.noise import Noise
from preimage.browsing.subject import Subject
from preimage.data.pixels import to_float
from preimage.float32 import float32_products
from preimage.inversion.labels import generate, in_batches
from preimage.latents.priors import Prior
from preimage.random_streams import Stream

DRAWS = 256
"""Draws of the prior among which starts are chosen."""
KNOWN = 1024
"""Images with codes among which they are chosen: the store's first."""
LARGE, FEW = 256, 32
"""Of codes with more components fewer draws are tried: such generators tend to be slow."""
PROMISING = 4
"""Starts are the most different ones of so many times their number that agree best."""
BATCH = 32


@dataclass(frozen=True, eq=False)
class Candidates:
    """m places to start from."""

    noise: Tensor
    """(m, d), behind their codes."""
    labels: Tensor | None
    """(m,), of a conditional generator."""
    images: Tensor
    """(m, C, H, W) in [-1, 1]."""

    def __getitem__(self, rows: Tensor) -> "Candidates":
        labels = None if self.labels is None else self.labels[rows]
        return Candidates(self.noise[rows], labels, self.images[rows])


def starts(
    subject: Subject, network: nn.Module, noise: Noise, prior: Prior, image: Tensor, seen: Tensor,
    count: int, classes: int, label: int | None, seed: int,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Noise (count, d) and labels (count,) to start from: the codes of images that agree with one (C, H, W)
    where it is seen (H, W), and as many draws of the prior. network: from noise to images."""
    pools = [drawn(network, noise, prior, classes, label, seed)]
    if (codes := known(subject, noise, classes, label)) is not None:
        pools.insert(0, codes)
    parts, left = [], count
    for i, pool in enumerate(pools):
        parts.append(chosen(pool, image, seen, -(-left // (len(pools) - i))))
        left -= len(parts[-1].noise)
    labels = [each.labels for each in parts if each.labels is not None]
    return torch.cat([each.noise for each in parts]), torch.cat(labels) if labels else None


def drawn(
    network: nn.Module, noise: Noise, prior: Prior, classes: int, label: int | None, seed: int
) -> Candidates:
    """Draws of the prior, and of the classes where none is given."""
    random, count = Stream.COMPLETIONS.generator(seed), FEW if prior.latent_dim > LARGE else DRAWS
    behind = noise.noise(prior.sample(count, random))
    labels = None
    if classes:
        labels = torch.randint(classes, (count,), generator=random)
        labels = labels if label is None else torch.full_like(labels, label)
    return Candidates(behind, labels, _made(network, behind, labels))


def known(subject: Subject, noise: Noise, classes: int, label: int | None) -> Candidates | None:
    """The codes of images, and those images themselves; None if they are not known."""
    if subject.pixels is None or subject.store is None:
        return None
    ids = subject.rows.ids[:KNOWN]
    found = subject.codes_of(ids)
    images = to_float(torch.from_numpy(subject.pixels.images(ids).transpose(0, 3, 1, 2).copy()))
    labels = None
    if classes:
        labels = found.label.long().clamp(0, classes - 1)
        labels = labels if label is None else torch.full_like(labels, label)
    return Candidates(noise.noise(found.z), labels, images)


def chosen(candidates: Candidates, image: Tensor, seen: Tensor, count: int) -> Candidates:
    """Of those that agree best with an image where it is seen the most different ones where it is not."""
    error = ((candidates.images - image) * seen).square().flatten(1).sum(1)
    best = candidates[error.argsort(stable=True)[: PROMISING * count]]
    return best[most_different((best.images * ~seen).flatten(1), count)]


def most_different(values: Tensor, count: int) -> Tensor:
    """Rows (count,) of (n, p): the first, then again and again the one furthest from all before."""
    apart = (values - values[0]).square().sum(1)
    rows = [0]
    while len(rows) < min(count, len(values)):
        rows.append(int(apart.argmax()))
        apart = torch.minimum(apart, (values - values[rows[-1]]).square().sum(1))
    return torch.tensor(rows)


def level_noise(subject: Subject) -> float | None:
    """The mean squared error that searches left in a pixel of [-1, 1], the median over images; None if none
    was measured."""
    losses = subject.rows.losses if subject.store is not None else None
    if losses is None or not np.isfinite(losses).any():
        return None
    return float(np.median(losses[np.isfinite(losses)]))


@torch.no_grad()
@float32_products("ieee")
def _made(network: nn.Module, noise: Tensor, labels: Tensor | None) -> Tensor:
    return torch.cat([generate(network, *some) for some in in_batches(noise, labels, BATCH)]).float()
