"""A generator in the form that an engine computes with."""

from typing import NamedTuple

import torch
from torch import nn

from preimage.inversion.checks import images_made, makes_same_images, require_low_precision
from preimage.inversion.labels import classes_of
from preimage.inversion.optimize_for_inference import InPrecision, freeze


class Quickest(NamedTuple):
    """A frozen copy of a generator, and what it says of itself."""

    network: nn.Module
    """From codes to images, both float32."""
    low: nn.Module | None
    """The same in bfloat16, if it was asked for."""
    device: torch.device
    shape: tuple[int, int, int]
    """(C, H, W) of its images."""
    classes: int
    """Of a conditional generator, whose images need labels; else 0."""


def quickest(generator: nn.Module, latent_dim: int, device: torch.device | None, mixed: bool) -> Quickest:
    """The quickest form that makes the same images. mixed: also one in low precision.

    Raises InversionError for what is no generator of images, or does not run in low precision.
    """
    network = freeze(generator, device, optimize=False)
    device = device or next((p.device for p in network.parameters()), torch.device("cpu"))
    made = images_made(network, latent_dim, device)
    folded = freeze(generator, device)
    if optimize := makes_same_images(folded, made, latent_dim):
        network = folded
    if made.dtype != torch.float32:
        network = InPrecision(network, torch.float32)
    low = None
    if mixed:
        low = freeze(generator, device, torch.bfloat16, optimize)
        require_low_precision(low, latent_dim, device)
    channels, height, width = made.shape[1:]
    return Quickest(network, low, device, (channels, height, width), classes_of(network))
