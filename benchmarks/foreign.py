"""A stranger's network: its import, and its inversion over the loop that its owner would write."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

import preimage
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.data.preparing.prepare import prepare
from preimage.storage.folder import Folder
from preimage.work.reproducible import keep_freed_memory

from .measure import Measurement, measured

DIM, SIDE, SEED = 20, 28, 1
RATES = (0.05, 0.1, 0.2)
MOST = 1000
"""Steps of the plain loop at most."""


class Dense(nn.Module):
    """The decoder of many tutorials: codes (n, 20) to (n, 784) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(DIM, 400), nn.Linear(400, SIDE * SIDE)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.sigmoid(self.out(torch.relu(self.hidden(codes))))


class Convolutional(nn.Module):
    """A DCGAN-like decoder: codes (n, 20, 1, 1) to (n, 1, 28, 28) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()

        def block(before: int, after: int, kernel: int, stride: int) -> list[nn.Module]:
            layer = nn.ConvTranspose2d(before, after, kernel, stride)
            return [layer, nn.BatchNorm2d(after), nn.ReLU()]

        self.layers = nn.Sequential(
            *block(DIM, 128, 3, 2),
            *block(128, 64, 4, 1),
            *block(64, 32, 3, 2),
            *(nn.ConvTranspose2d(32, 1, 4, 2), nn.Tanh()),
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes)


KINDS = {
    "dense": (Dense, {"latent_dim": DIM, "image_range": (0, 1), "image_shape": (1, SIDE, SIDE)}, (DIM,)),
    "convolutional": (Convolutional, {"code_shape": (DIM, 1, 1)}, (DIM, 1, 1)),
}


def over_loop(quick: bool) -> list[Measurement]:
    """Seconds to the same mean error on real digits, one thread: a plain Adam loop on the owner's module, at
    the best of three learning rates, over the default settings on the imported folder, set-up counted."""
    keep_freed_memory()
    torch.set_num_threads(1)
    images, found = digits(), []
    target = images[: 128 if quick else 256]
    for name, (_, options, shape) in KINDS.items():
        network = trained(name, images, 50 if quick else 600)
        ratios, notes, rates = [], [], RATES
        with tempfile.TemporaryDirectory() as place:
            preimage.save_generator(network, place, **options)
            for _ in range(2 if quick else 3):
                begin = time.perf_counter()
                inverted = preimage.invert(place, target, progress=False)
                ours, error = time.perf_counter() - begin, inverted.loss.mean().item()
                theirs, reached, rate, steps = _best_loop(network, shape, target, error, rates)
                rates = (rate,)  # the others need not be tried again
                ratios.append(theirs / ours)
                loop = f"Adam at {rate} {theirs:.1f} s, {steps} steps, to {reached:.5f}"
                notes.append(f"{ours:.1f} s to {error:.5f}; {loop}")
        found.append(measured(f"invert.foreign_over_loop.{name}", ratios, "x", 3, "; ".join(notes)))
    return found


def import_seconds(quick: bool) -> list[Measurement]:
    """Seconds to try a network, export it and write its folder, in this process."""
    images, found = digits(), []
    for name, (_, options, _) in KINDS.items():
        network, seconds = trained(name, images, 10), []
        for _ in range(3 if quick else 7):
            with tempfile.TemporaryDirectory() as place:
                begin = time.perf_counter()
                preimage.save_generator(network, place, **options)
                seconds.append(time.perf_counter() - begin)
        first = f"the first {seconds[0]:.1f} s"
        found.append(measured(f"generator.import.{name}", seconds[1:], "s", note=first))
    return found


def trained(name: str, images: Tensor, steps: int) -> nn.Module:
    """A decoder as its owner trains it: with an encoder, by Adam, and codes held near N(0, I)."""
    kind, _, shape = KINDS[name]
    torch.manual_seed(SEED)
    decoder = kind()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 400), nn.ReLU(), nn.Linear(400, 2 * DIM))
    optimizer = torch.optim.Adam([*decoder.parameters(), *encoder.parameters()], 1e-3)
    for _ in range(steps):
        batch = images[torch.randint(len(images), (128,))]
        mean, spread = encoder(batch).chunk(2, 1)
        codes = mean + (spread / 2).exp() * torch.randn_like(mean)
        divergence = 0.5 * (mean.square() + spread.exp() - spread - 1).sum(1)
        error = (_signed(decoder(codes.view(-1, *shape)), name) - batch).square().flatten(1).sum(1)
        optimizer.zero_grad()
        (error + divergence).mean().backward()
        optimizer.step()
    return decoder.eval().requires_grad_(False)


def digits() -> Tensor:
    """Real digits (1797, 1, 28, 28) in [-1, 1]."""
    with tempfile.TemporaryDirectory() as place:
        data = DataConfig(source="digits", size=SIDE, channels=1)
        folder = prepare(data, Folder.at(Path(place)), workers=1).folder
        return to_float(Dataset.open(folder).read(0, 1797).pixels)


def _best_loop(
    network: nn.Module, shape: tuple[int, ...], images: Tensor, error: float, rates: Sequence[float]
) -> tuple[float, float, float, int]:
    """Seconds, mean error, learning rate and steps of the quickest loop that gets there; of the one that gets
    nearest if none does."""
    runs = [(*_loop(network, shape, images, error, rate),) for rate in rates]
    there = [each for each in runs if each[1] <= error]
    return min(there) if there else min(runs, key=lambda each: each[1])


def _loop(
    network: nn.Module, shape: tuple[int, ...], images: Tensor, error: float, rate: float
) -> tuple[float, float, float, int]:
    """All images at once, from N(0, I), weights frozen, until the mean of their lowest errors is reached."""
    name = "dense" if isinstance(network, Dense) else "convolutional"
    begin = time.perf_counter()
    codes = torch.randn(len(images), *shape, requires_grad=True)
    optimizer, lowest, steps = torch.optim.Adam([codes], rate), torch.full((len(images),), torch.inf), 0
    while lowest.mean() > error and steps < MOST:
        optimizer.zero_grad()
        losses = (_signed(network(codes), name) - images).square().flatten(1).mean(1)
        losses.sum().backward()
        lowest = torch.minimum(lowest, losses.detach())
        optimizer.step()
        steps += 1
    return time.perf_counter() - begin, lowest.mean().item(), rate, steps


def _signed(made: Tensor, name: str) -> Tensor:
    """A decoder's images (n, 1, 28, 28) in [-1, 1]."""
    return made.view(-1, 1, SIDE, SIDE) * 2 - 1 if name == "dense" else made
