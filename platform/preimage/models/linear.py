"""The linear generator: PCA's decoder."""

from math import prod

import torch
from torch import Tensor, nn

from preimage.models.config import LinearConfig


class LinearGenerator(nn.Module):
    """Codes (N, d) to images (N, C, H, W): a mean image plus the code's combination of component images.

    The images may leave [-1, 1].
    """

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = config
        pixels = prod(config.shape)
        self.mean = nn.Parameter(torch.zeros(pixels))
        self.components = nn.Parameter(torch.zeros(config.latent_dim, pixels))

    def forward(self, codes: Tensor) -> Tensor:
        images = torch.addmm(self.mean, codes, self.components)
        return images.unflatten(1, self.config.shape)
