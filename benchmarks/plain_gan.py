"""A DCGAN trained the obvious way, as PyTorch's example does: eager float32, NCHW, a data loader, BCE."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .plain_glo import NormalisedImages


class PlainGan:
    """GanAlgorithm's steps (Goodfellow et al. 2014): first the discriminator's, then the generator's."""

    def __init__(
        self,
        pair: tuple[nn.Module, nn.Module],
        pixels: Tensor,
        batch: int,
        latent_dim: int,
        rate: float = 2e-4,
        device: str | torch.device = "cpu",
    ) -> None:
        """pair: generator of codes (n, d) and discriminator with logits (n,), moved to the device. pixels:
        (n, C, H, W) uint8, on the CPU. rate: of both networks' Adam, whose first decay rate is 0.5."""
        self.device, self.latent_dim = torch.device(device), latent_dim
        self.generator, self.discriminator = (network.to(self.device) for network in pair)
        adam = torch.optim.Adam
        self.of_generator: torch.optim.Optimizer = adam(self.generator.parameters(), rate, (0.5, 0.999))
        self.of_discriminator: torch.optim.Optimizer = adam(
            self.discriminator.parameters(), rate, (0.5, 0.999)
        )
        self.criterion = nn.BCELoss()
        self.loader = DataLoader(NormalisedImages(pixels), batch, shuffle=True, drop_last=True)
        self.batches = self._endless()

    def _endless(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self.loader

    def steps(self, number: int) -> None:
        for _ in range(number):
            _, images = next(self.batches)
            self.step(images, torch.randn(len(images), self.latent_dim, device=self.device))

    def step(self, images: Tensor, codes: Tensor) -> dict[str, float]:
        """images: (n, C, H, W) in [-1, 1]; codes: (n, d)."""
        real = images.to(self.device)
        ones, zeros = real.new_ones(len(real)), real.new_zeros(len(real))
        self.discriminator.zero_grad()
        of_real = self.discriminator(real).sigmoid()
        loss_real = self.criterion(of_real, ones)
        loss_real.backward()
        generated = self.generator(codes.to(self.device))
        of_generated = self.discriminator(generated.detach()).sigmoid()
        loss_generated = self.criterion(of_generated, zeros)
        loss_generated.backward()
        self.of_discriminator.step()
        self.generator.zero_grad()
        loss_g = self.criterion(self.discriminator(generated).sigmoid(), ones)
        loss_g.backward()
        self.of_generator.step()
        return {
            "loss_d": (loss_real + loss_generated).item(),
            "loss_g": loss_g.item(),
            "d_real": of_real.mean().item(),
            "d_fake": of_generated.mean().item(),
        }
