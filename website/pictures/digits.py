"""The idea in digits: a GAN whose codes are two numbers, so that its latent space is a picture."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

import preimage as pi
from preimage.data.dataset import Dataset
from preimage.latents.store import Store
from preimage.storage.folder import Folder
from website.outside import ROOT
from website.pictures.look import INK, MISS, bare, new_figure

SPEC: dict[str, Any] = {
    "name": "idea",
    "resources": {"backend": "local"},
    "tracking": {"uri": "none"},
    "data": {"source": "mnist-5000", "size": 16, "channels": 1},
    "steps": {
        "train": {
            "job": "train-gan",
            "model": {"latent_dim": 2, "prior": "normal", "kernel_size": 4, "base_channels": 24},
            "optimizer": {"name": "adam", "lr": 2e-4, "beta1": 0.5},
            "training": {
                "total_images": 250_000,
                "batch_size": 64,
                "log_every": 10_000,
                "sample_every": 50_000,
                "checkpoint_every": 50_000,
            },
        },
        "invert": {
            "job": "invert",
            "generator": "train",
            "data": {"max_images": 2000},
            "inversion": {"restarts": 4, "init_codes": "prior"},
        },
    },
}
SPAN = 2.6
"""Codes from -SPAN to SPAN are drawn, in both directions."""
SIDE = 16
"""Pixels of a digit's side."""


@dataclass(frozen=True)
class Digits:
    """The generator, and the codes that were found through it."""

    generator: torch.nn.Module
    z: Tensor
    labels: Tensor
    loss: Tensor
    images: Tensor

    def searched(self) -> int:
        """The row of the image to search for: among those away from the centre, the one that is met best."""
        return int(self.loss.where((self.z.norm(dim=1) > 0.8) & (self.labels != 1), torch.inf).argmin())


@cache
def digits() -> Digits:
    """Train and invert, or take what an earlier call left below build/."""
    outcome = pi.run(SPEC, results=str(ROOT / "build" / "pictures"))
    run = pi.open(outcome.run, results=str(ROOT / "build" / "pictures"))
    store = run.steps["invert"].store
    rows = list(store.batches(rows=4096))
    names = ("z", "label", "loss", "image_id")
    z, labels, loss, ids = (torch.cat([getattr(each, name) for each in rows]) for name in names)
    return Digits(run.steps["train"].generator, z, labels, loss, _pixels(store, ids))


def latent_plane() -> Figure:
    """What the generator makes at each place, and how far that is from one real digit."""
    found = digits()
    row = found.searched()
    figure = new_figure(11.2, 5.4)
    atlas, error, side = figure.subplots(1, 3, width_ratios=(1, 1, 0.34))
    _atlas(atlas, found.generator)
    lowest = _error_surface(error, found, row)
    reconstruction = _images(found.generator, found.z[row : row + 1])[0]
    _pair(side, found.images[row].numpy(), reconstruction, lowest)
    return figure


def codes_and_prior() -> Figure:
    """The codes of 2,000 digits, the prior, and what the generator makes where only the prior is."""
    found = digits()
    figure = new_figure(11.2, 5.0)
    scatter, histogram, gap = figure.subplots(1, 3, width_ratios=(1, 0.85, 0.5))
    _codes(scatter, found)
    _histogram(histogram, found.z[:, 0].numpy())
    _gap(gap, scatter, found)
    return figure


def _atlas(axes: Axes, generator: torch.nn.Module, count: int = 15) -> None:
    places = torch.linspace(-SPAN, SPAN, count)
    down, across = torch.meshgrid(places.flip(0), places, indexing="ij")
    tiles = _images(generator, torch.stack([across, down], -1).reshape(-1, 2))
    grid = tiles.reshape(count, count, SIDE, SIDE).transpose(0, 2, 1, 3).reshape(count * SIDE, count * SIDE)
    half = SPAN * count / (count - 1)
    axes.imshow(grid, cmap="gray", vmin=-1, vmax=1, extent=(-half, half, -half, half))
    bare(axes, "what the generator makes\nat each place of its latent space", (-half, half), (-half, half))


def _error_surface(axes: Axes, found: Digits, row: int, count: int = 161) -> float:
    """Draw the error of one image at each place; return that of its code."""
    places = torch.linspace(-SPAN, SPAN, count)
    down, across = torch.meshgrid(places, places, indexing="ij")
    made = _images(found.generator, torch.stack([across, down], -1).reshape(-1, 2))
    target = found.images[row].numpy()
    errors = ((made - target) ** 2).mean((1, 2)).reshape(count, count)
    axes.contourf(places, places, errors, levels=24, cmap="viridis_r")
    x, y = found.z[row].tolist()
    axes.scatter(x, y, s=130, color=MISS, edgecolor="white", linewidth=1.6, zorder=3)
    axes.annotate("its code", (x, y), (x, y + 0.42), ha="center", color=MISS, fontsize=11, weight="bold")
    axes.set_aspect("equal")
    bare(axes, "how far that is from one real digit:\nyellow is near", (-SPAN, SPAN), (-SPAN, SPAN))
    lowest = _images(found.generator, found.z[row : row + 1])[0]
    return float(((lowest - target) ** 2).mean())


def _pair(axes: Axes, target: np.ndarray, reconstruction: np.ndarray, error: float) -> None:
    both = np.concatenate([target, np.ones((2, SIDE)), reconstruction])
    axes.imshow(both, cmap="gray", vmin=-1, vmax=1)
    axes.text(SIDE / 2, -1.0, "the digit", ha="center", va="bottom", fontsize=11)
    axes.text(
        SIDE / 2, 2 * SIDE + 2, f"made from its code,\nerror {error:.2f}", ha="center", va="top", fontsize=11
    )
    bare(axes, "", (-0.5, SIDE - 0.5), (2 * SIDE + 7, -4))


def _codes(axes: Axes, found: Digits) -> None:
    for radius in (1.18, 2.45):  # half of the prior's draws lie within the first, 95% within the second
        axes.add_patch(Circle((0, 0), radius, fill=False, ec=INK, lw=1.2, ls=(0, (4, 3)), zorder=3))
    axes.scatter(*found.z.T.numpy(), c=found.labels.numpy(), cmap="tab10", s=7, lw=0, alpha=0.8)
    axes.text(0, 2.52, "95% of the prior", ha="center", va="bottom", fontsize=9, color=INK, zorder=4)
    axes.set_aspect("equal")
    title = "the codes of 2,000 digits,\na colour for each class"
    bare(axes, title, (-SPAN - 0.6, SPAN + 0.6), (-SPAN - 0.6, SPAN + 0.6))


def _histogram(axes: Axes, values: np.ndarray) -> None:
    edges = np.linspace(-4, 4, 41)
    axes.hist(np.clip(values, -4, 4), bins=list(edges), density=True, color="#7d9cc9")
    z = np.linspace(-4, 4, 200)
    axes.plot(z, np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), color=MISS, lw=2)
    axes.text(1.5, 0.36, "the prior", color=MISS, fontsize=11)
    bare(axes, "their first number,\nand what the prior expects", (-4, 4), (0, axes.get_ylim()[1]))
    axes.set_xticks([-3, 0, 3])


def _gap(axes: Axes, map_axes: Axes, found: Digits) -> None:
    """Six draws of the prior that lie farthest from every code, marked on the map, and what they become."""
    draws = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
    draws = draws[draws.norm(dim=1) < 2]
    far = draws[torch.cdist(draws, found.z).min(1).values.argsort(descending=True)]
    chosen = _apart(far, 6)
    map_axes.scatter(*chosen.T.numpy(), marker="x", s=60, color=MISS, linewidth=2, zorder=5)
    tiles = _images(found.generator, chosen).reshape(3, 2, SIDE, SIDE)
    padded = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1)
    grid = padded.transpose(0, 2, 1, 3).reshape(3 * (SIDE + 2), 2 * (SIDE + 2))
    axes.imshow(grid, cmap="gray", vmin=-1, vmax=1)
    bare(
        axes,
        "made at the crosses,\nwhere no code is",
        (-0.5, grid.shape[1] - 0.5),
        (grid.shape[0] - 0.5, -0.5),
    )


def _apart(points: Tensor, count: int, distance: float = 0.5) -> Tensor:
    """The first points that keep a distance from those chosen before."""
    chosen = points[:1]
    for point in points[1:]:
        if len(chosen) < count and torch.cdist(point[None], chosen).min() > distance:
            chosen = torch.cat([chosen, point[None]])
    return chosen


def _images(generator: torch.nn.Module, z: Tensor) -> np.ndarray:
    """(n, 2) to (n, SIDE, SIDE) in [-1, 1]."""
    with torch.no_grad():
        return torch.cat([generator(each)[:, 0] for each in z.split(2048)]).numpy()


def _pixels(store: Store, ids: Tensor) -> Tensor:
    """The images of these ids, (n, SIDE, SIDE) in [-1, 1]."""
    assert store.about.dataset
    images = Dataset.open(Folder.at(store.about.dataset.path)).read(0, store.about.dataset.count)
    place = {int(each): row for row, each in enumerate(images.image_id)}
    return pi.to_float(torch.stack([images.pixels[place[int(each)]] for each in ids]))[:, 0]
