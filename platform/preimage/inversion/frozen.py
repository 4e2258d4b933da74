"""A generator made ready for inversion: frozen, in eval mode, its BatchNorms folded into its convolutions."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def freeze(generator: nn.Module, device: torch.device | None = None) -> nn.Module:
    """A copy that computes the same images; the original is left as it is.

    Eval mode is not a choice: with batch statistics the images of a batch are coupled and the scale of a
    code cannot be recovered. No gradient of a weight is ever computed.
    """
    frozen = deepcopy(generator).eval().requires_grad_(False)
    for module in frozen.modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    return frozen.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _fold(layers: nn.Sequential) -> None:
    """Replace each convolution that a BatchNorm follows by one that does both."""
    names = list(layers._modules)
    for before, after in pairwise(names):
        convolution, norm = layers._modules[before], layers._modules[after]
        if isinstance(norm, nn.BatchNorm2d) and isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d):
            transposed = isinstance(convolution, nn.ConvTranspose2d)
            layers._modules[before] = fuse_conv_bn_eval(convolution, norm, transposed)  # type: ignore[type-var]
            layers._modules[after] = nn.Identity()
