"""Prepare a generator for inversion: frozen, in eval mode, its BatchNorms folded into its convolutions."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from preimage.inversion.layers import quicker


def freeze(
    generator: nn.Module, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """A copy that computes the same images; leaves the original unchanged.

    Eval mode is required: batch statistics would couple the images of a batch, and the scale of a code could
    not be recovered. Weights get no gradients. `dtype` applies to weights and activations; codes (n, d) and
    images (n, C, H, W) are always float32.
    """
    frozen = deepcopy(generator).eval().requires_grad_(False)
    device = device or next((p.device for p in frozen.parameters()), torch.device("cpu"))
    for module in list(frozen.modules()):
        if type(module).forward is nn.Sequential.forward:
            _fold(module._modules)
            if device.type == "cpu":
                _quicken(module._modules)
    frozen.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return frozen if dtype == torch.float32 else InPrecision(frozen, dtype)


class InPrecision(nn.Module):
    """A network that computes in another precision, from float32 to float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, codes: Tensor) -> Tensor:
        return self.network(codes.to(self.dtype)).float()


def _fold(layers: dict[str, nn.Module | None]) -> None:
    """Replace each convolution followed by a BatchNorm with one that does both."""
    for before, after in pairwise(list(layers)):
        convolution, norm = layers[before], layers[after]
        if not (_plain(convolution) and _plain(norm) and isinstance(norm, nn.BatchNorm2d)):
            continue
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        alone = isinstance(convolution, nn.Conv2d) or (transposed and convolution.groups == 1)
        if alone and norm.running_mean is not None:
            layers[before] = fuse_conv_bn_eval(convolution, norm, transposed)  # type: ignore[type-var]
            layers[after] = nn.Identity()


def _quicken(layers: dict[str, nn.Module | None]) -> None:
    """Replace the transposed convolutions that are slow on CPUs."""
    for name, layer in layers.items():
        if _plain(layer) and isinstance(layer, nn.ConvTranspose2d):
            layers[name] = quicker(layer)


def _plain(layer: nn.Module | None) -> bool:
    """Whether the weights alone define the layer: a subclass or a hook may do more, as in spectral norm."""
    if layer is None or layer._forward_pre_hooks or layer._forward_hooks:
        return False
    return type(layer) in (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
