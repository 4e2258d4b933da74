"""GLO the obvious way: eager float32, a data loader, codes in one table, pyramids by convolutions."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class NormalisedImages(Dataset):
    """One image at a time: its row, and its pixels in [-1, 1]."""

    def __init__(self, pixels: Tensor) -> None:
        """pixels: (n, C, H, W) uint8."""
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[int, Tensor]:
        return row, (self.pixels[row].float() / 255 - 0.5) / 0.5


class PlainGlo:
    """The same steps as GloAlgorithm's (glo, eq. 1): descent on weights and codes, then projection."""

    def __init__(self, generator: nn.Module, codes: Tensor, pixels: Tensor, batch: int, rate: float) -> None:
        """codes: (n, d), where they start. rate: theirs, on each image's own loss; the generator's is 1."""
        self.generator, self.codes, self.rate = generator, codes.clone(), rate
        self.optimizer = torch.optim.SGD(generator.parameters(), lr=1.0)
        self.loader = DataLoader(NormalisedImages(pixels), batch, shuffle=True, drop_last=True)
        self.batches = self._endless()

    def _endless(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self.loader

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.step(*next(self.batches))

    def step(self, rows: Tensor, images: Tensor) -> float:
        """The mean loss of the images (n, C, H, W), whose codes are the rows."""
        codes = self.codes[rows].requires_grad_()
        losses = lap1(self.generator(codes), images)
        self.optimizer.zero_grad()
        losses.mean().backward()
        self.optimizer.step()
        with torch.no_grad():
            codes -= self.rate * len(rows) * codes.grad  # pyright: ignore[reportOperatorIssue]
            self.codes[rows] = codes / codes.norm(dim=1, keepdim=True).clamp_min(1)
        return losses.mean().item()


def lap1(images: Tensor, targets: Tensor) -> Tensor:
    """One loss an image: the levels' mean absolute differences, added up."""
    pairs = zip(pyramid(images), pyramid(targets), strict=True)
    return torch.stack([(one - other).abs().mean((1, 2, 3)) for one, other in pairs]).sum(0)


def pyramid(images: Tensor) -> list[Tensor]:
    """Four levels of 64 pixels, and the 4 x 4 residual."""
    levels = []
    while images.shape[-1] > 4:
        small = shrink(images)
        levels.append(images - enlarge(small))
        images = small
    return [*levels, images]


def shrink(images: Tensor) -> Tensor:
    """Blur, then every other pixel."""
    channels = images.shape[1]
    return F.conv2d(F.pad(images, (2, 2, 2, 2), "replicate"), kernel(channels), stride=2, groups=channels)


def enlarge(images: Tensor) -> Tensor:
    """Zeros between the pixels, then blur by four times the kernel; borders are repeated first."""
    channels = images.shape[1]
    padded = F.pad(images, (1, 1, 1, 1), "replicate")
    return F.conv_transpose2d(padded, 4 * kernel(channels), stride=2, padding=2, groups=channels)[
        ..., 2:-1, 2:-1
    ]


def kernel(channels: int) -> Tensor:
    """The 5 x 5 binomial kernel for each channel."""
    row = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    return torch.outer(row, row).expand(channels, 1, 5, 5)
