"""Codes drawn from a prior and what is observed of their images, for regressions of the one on the other."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from preimage.inversion.labels import classes_of, generate, in_batches, spread_labels
from preimage.inversion.measurements import Measurement
from preimage.latents.priors import Prior
from preimage.random_streams import Stream

PAIRS = 4096


class Pairs(NamedTuple):
    """PAIRS codes and their observed images."""

    codes: Tensor
    """(PAIRS, d)"""
    labels: Tensor | None
    """(PAIRS,) int64, of a conditional generator: as many of each class."""
    ids: Tensor
    """(PAIRS,) int64, which no image has, so that masks and noise are their own."""
    seen: Tensor
    """(PAIRS, C, h, w), or as an operator returns them."""


@torch.no_grad()
def generate_pairs(
    network: nn.Module, prior: Prior, seed: int, device: torch.device, measurement: Measurement | None
) -> Pairs:
    """The same for the same seed. Costs PAIRS generator evaluations."""
    codes = prior.sample(PAIRS, Stream.REGRESSION.generator(seed)).to(device)
    labels = spread_labels(PAIRS, classes_of(network), device)
    images = torch.cat([generate(network, *some) for some in in_batches(codes, labels, 256)])
    ids = torch.arange(-PAIRS, 0, device=device)
    return Pairs(codes, labels, ids, measurement.observe(images, ids) if measurement else images)
