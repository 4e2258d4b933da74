"""Transposed convolutions in forms that CPUs compute fast, forward and backward."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

VECTOR = 16
"""oneDNN pads a layer's output channels to a multiple of this, the float32 lanes of AVX-512."""


def quicker(layer: nn.ConvTranspose2d) -> nn.Module:
    """The same map in a faster form if there is one, else the layer itself."""
    padding, extra = cast("tuple[int, int]", layer.padding), layer.output_padding
    (side, width), (stride, across) = layer.kernel_size, layer.stride
    if layer.groups != 1 or layer.dilation != (1, 1):
        return layer
    if layer.stride == (1, 1):
        return FromPoints(layer) if padding == (0, 0) else layer
    if side != width or stride != across or padding[0] != padding[1] or extra[0] != extra[1]:
        return layer
    few = layer.out_channels * stride**2 <= VECTOR
    within = side + extra[0] - padding[0] <= stride * _taps(side, stride)
    return SubPixel(layer) if few and within else layer


class FromPoints(nn.Module):
    """A transposed convolution of stride 1: on one-pixel maps, such as codes, it is a matrix product."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: Tensor) -> Tensor:
        """(n, I, 1, 1) to (n, O, h, w); the layer itself for other map sizes."""
        if maps.dim() != 4 or maps.shape[2:] != (1, 1):
            return self.layer(maps)
        weight = self.layer.weight.permute(0, 2, 3, 1)  # (I, h, w, O), its memory order with channels last
        made = (maps.flatten(1) @ weight.flatten(1)).unflatten(1, weight.shape[1:])
        made = made if self.layer.bias is None else made + self.layer.bias
        return made.permute(0, 3, 1, 2)


class SubPixel(nn.Module):
    """A transposed convolution of stride s as a convolution to s * s times the channels, then interleaved.

    Along one side, y[s m + a] = sum over t of w[s t + a] x[m - t]: for each a < s a convolution of x
    (Shi et al. 2016, arXiv 1609.07009). Then the padding is cut off y.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.side, self.stride = layer.kernel_size[0], layer.stride[0]
        self.padding, self.extra = cast("tuple[int, int]", layer.padding)[0], layer.output_padding[0]
        self.taps = _taps(self.side, self.stride)
        missing, split = self.taps * self.stride - self.side, (self.taps, self.stride)
        weight = F.pad(layer.weight.detach(), (0, missing, 0, missing))
        weight = weight.unflatten(3, split).unflatten(2, split).flip(2, 4)  # (I, O, t, a, t, a)
        weight = weight.permute(1, 3, 5, 0, 2, 4).flatten(0, 2)  # (O a a, I, t, t)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        bias = None if layer.bias is None else layer.bias.detach().repeat_interleave(self.stride**2)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, I, h, w) to (n, O, H, W)."""
        phases = F.conv2d(maps, self.weight, self.bias, padding=self.taps - 1)
        whole = F.pixel_shuffle(phases.contiguous(), self.stride)  # slower with channels last
        height, width = (
            (size - 1) * self.stride - 2 * self.padding + self.side + self.extra for size in maps.shape[-2:]
        )
        return whole[..., self.padding :, self.padding :][..., :height, :width]


def _taps(side: int, stride: int) -> int:
    """Input pixels along one side that an output pixel depends on."""
    return -(-side // stride)
