"""The Jacobian of a generator's images with respect to their codes, in forward mode."""

import warnings

import torch
from torch import Tensor, nn
from torch.func import jvp, vmap


@torch.no_grad()
def jacobian(network: nn.Module, z: Tensor, chunk: int = 8) -> tuple[Tensor, Tensor]:
    """Images (n, C, H, W) of codes z (n, d), and their derivatives (n, d, C, H, W) by each component of z.

    Row i of the images must depend on row i of z alone. Takes the time of generating n * d images and,
    besides the result, the memory of generating chunk * d.
    """
    images, slopes = zip(*(_jacobian(network, part) for part in z.split(chunk)), strict=True)
    return torch.cat(images), torch.cat(slopes)


def _jacobian(network: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    directions = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None].expand(-1, *z.shape)
    with warnings.catch_warnings():  # torch calls its own deprecated function
        warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
        images, *slopes = vmap(lambda along: jvp(network, (z,), (along,)), out_dims=(0, 1))(directions)
    return images[0], slopes[0]
