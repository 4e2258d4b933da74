"""Codes drawn from a prior, what is observed of their images, and how the images change with the codes."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from preimage.inversion.labels import classes_of, generate, in_batches, spread_labels
from preimage.inversion.measurements import Measurement
from preimage.inversion.setup_size import SetupSize
from preimage.latents.priors import Prior
from preimage.random_streams import Stream

BATCH = 32
"""Codes at a time: gradients keep the network's activations."""


class Pairs(NamedTuple):
    """N codes and their observed images."""

    codes: Tensor
    """(N, d)"""
    labels: Tensor | None
    """(N,) int64, of a conditional generator: as many of each class."""
    ids: Tensor
    """(N,) int64, which no image has, so that masks and noise are their own."""
    seen: Tensor
    """(N, C, h, w), or as an operator returns them."""
    gradients: Tensor
    """(M, d), of images (C, H, W) in random directions of independent signs, at M of the codes: they have the
    mean square J J^T, with J (d, C H W) the images' derivatives."""

    @property
    def passes(self) -> int:
        """Generator evaluations."""
        return len(self.codes) + len(self.gradients)


def generate_pairs(
    network: nn.Module,
    prior: Prior,
    seed: int,
    device: torch.device,
    measurement: Measurement | None,
    size: SetupSize,
) -> Pairs:
    """The same for the same seed and size."""
    codes = prior.sample(size.pairs, Stream.REGRESSION.generator(seed)).to(device)
    labels = spread_labels(size.pairs, classes_of(network), device)
    ids, random = torch.arange(-size.pairs, 0, device=device), Stream.WHITENING.generator(seed)
    every = size.pairs // size.gradients if size.gradients else size.pairs
    seen, gradients = [], [codes[:0]]
    for i, (z, some) in enumerate(in_batches(codes, labels, BATCH)):
        if size.gradients and i % every == 0:
            images, found = _with_gradients(network, z, some, random)
            gradients.append(found)
        else:
            with torch.no_grad():
                images = generate(network, z, some)
        own = ids[i * BATCH : i * BATCH + len(z)]
        seen.append(measurement.observe(images, own) if measurement else images)
    return Pairs(codes, labels, ids, torch.cat(seen), torch.cat(gradients))


def _with_gradients(
    network: nn.Module, codes: Tensor, labels: Tensor | None, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images, and the gradients (n, d) of each image's sum under random signs."""
    z = codes.clone().requires_grad_()
    images = generate(network, z, labels)
    signs = torch.randint(0, 2, images.shape, generator=random, dtype=torch.int8) * 2 - 1
    (gradients,) = torch.autograd.grad(images, z, signs.to(images))
    return images.detach(), gradients
