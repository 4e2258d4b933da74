"""The idea in two pixels: all images are a plane, and those of a generator with one latent number a curve."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor, nn

import preimage as pi
from website.pictures.look import CODES, COLOURS, INK, MISS, TARGET, bare, new_figure

SPAN = 2.6
"""Codes from -SPAN to SPAN are drawn."""
IMAGES = torch.tensor([[-0.30, 0.62], [0.34, -0.30]])
"""Two images that nobody generated, by the brightness of their pixels, from -1 to 1."""


class Curve(nn.Module):
    """Codes (n, 1) to images of two pixels (n, 1, 1, 2) in [-1, 1]."""

    def forward(self, z: Tensor) -> Tensor:
        left, right = torch.tanh(0.75 * z), 0.72 * torch.sin(1.5 * z + 0.35)
        return torch.cat([left, right], 1)[:, None, None]


def two_pixels() -> Figure:
    """The latent line, the plane of images, and two images with their preimages."""
    found = pi.invert(
        Curve(), IMAGES[:, None, None], prior="normal", latent_dim=1, restarts=16, progress=False
    )
    figure = new_figure(10.4, 4.5)
    line, plane = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _latent_line(line, found.z[:, 0].tolist())
    _plane(plane, found.reconstructions[:, 0, 0].numpy())
    arrow = {"arrowstyle": "-|>", "mutation_scale": 15, "color": INK, "lw": 1.2}
    for height, start, end, text in ((0.80, 0.385, 0.465, "generate"), (0.13, 0.465, 0.385, "invert")):
        figure.add_artist(
            FancyArrowPatch((start, height), (end, height), transform=figure.transFigure, **arrow)
        )
        figure.text(0.425, height + 0.025, text, ha="center", fontsize=11, style="italic")
    return figure


def _latent_line(axes: Axes, codes: list[float]) -> None:
    z = np.linspace(-SPAN, SPAN, 400)
    density = np.exp(-(z**2) / 2)
    axes.fill_between(z, 0.08, 0.08 + 0.5 * density, color="#e9edf5")
    axes.text(
        0, 0.33, "prior: where codes\nare expected", ha="center", va="center", fontsize=10, color="#66718a"
    )
    axes.scatter(z, np.zeros_like(z), c=z, cmap=CODES, s=26)
    for number, (code, colour) in enumerate(zip(codes, COLOURS, strict=True), 1):
        axes.scatter(code, 0, s=120, color=colour, edgecolor="white", linewidth=1.6, zorder=3)
        label = f"code of image {number}\nz = {code:.2f}"
        axes.text(code, -0.1, label, ha="center", va="top", color=colour, fontsize=11)
    bare(axes, "latent space: one number z", (-SPAN - 0.15, SPAN + 0.15), (-0.5, 0.8))


def _plane(axes: Axes, nearest: np.ndarray) -> None:
    z = torch.linspace(-SPAN, SPAN, 400)[:, None]
    curve = Curve()(z)[:, 0, 0].numpy()
    axes.scatter(*curve.T, c=z[:, 0], cmap=CODES, s=26)
    for image, code, colour in zip(IMAGES.numpy(), nearest, COLOURS, strict=True):
        axes.plot(*np.stack([image, code]).T, color=MISS, lw=1.4, ls=(0, (3, 2)), zorder=2)
        axes.scatter(*image, s=110, marker="s", color=TARGET, zorder=3)
        axes.scatter(*code, s=120, color=colour, edgecolor="white", linewidth=1.6, zorder=3)
        _thumbnail(axes, image, 0.10)
        _thumbnail(axes, code, -0.21)
    for number, (x, y) in enumerate(IMAGES.tolist(), 1):
        axes.text(x - 0.15, y + 0.155, f"image {number}", ha="right", va="center", fontsize=11)
    axes.text(0.62, 0.78, "what the generator\ncan make", color="#66718a", fontsize=10)
    bare(axes, "image space: two pixels", (-1.15, 1.25), (-1.02, 1.08))
    for side in ("left", "bottom"):
        axes.spines[side].set(visible=True, color="#c3cad8")
    axes.set_xlabel("left pixel, from black to white", fontsize=9, color="#66718a")
    axes.set_ylabel("right pixel", fontsize=9, color="#66718a")


def _thumbnail(axes: Axes, pixels: np.ndarray, lift: float) -> None:
    """The two pixels themselves, beside their point."""
    x, y = pixels[0] - 0.11, pixels[1] + lift
    for column, value in enumerate(pixels):
        grey = str(round(float(np.clip((value + 1) / 2, 0, 1)), 3))
        axes.add_patch(Rectangle((x + 0.11 * column, y), 0.11, 0.11, facecolor=grey, edgecolor=INK, lw=0.8))
