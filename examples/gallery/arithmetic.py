"""Add and subtract what images have.

Nobody told this generator what slant or thickness is. The mean code of slanted digits, minus that
of upright ones, is a direction along which any digit slants.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None

# GLO learns a generator together with a code for every image: the codes are there already.
glo = pi.open(pi.run(Path(__file__).with_name("glo.yaml"), profile=SIZE))
codes = glo.store.head(len(glo.store))
ink = (glo.images().by_id(codes.image_id)[:, 0] + 1) / 2  # (N, H, W), 0 to 1

# Two properties of each image, from its pixels: how much ink it has, and how far its top leans to the
# right.
height, width = ink.shape[1:]
y, x = torch.meshgrid(torch.arange(height) - height / 2, torch.arange(width) - width / 2, indexing="ij")
y, x = (each - (ink * each).sum((1, 2), keepdim=True) / ink.sum((1, 2), keepdim=True) for each in (y, x))
slant = -(ink * x * y).sum((1, 2)) / (ink * y * y).sum((1, 2))
thickness = ink.sum((1, 2))


def direction(of: Tensor) -> Tensor:
    """The mean code of the images that have most of it, minus that of those with least. Each class by
    itself, so that a direction does not lead from ones to eights."""
    steps = []
    for label in codes.label.unique():
        rows = (codes.label == label).nonzero()[:, 0]
        order, tenth = rows[of[rows].argsort()], max(1, len(rows) // 10)
        steps.append(codes.z[order[-tenth:]].mean(0) - codes.z[order[:tenth]].mean(0))
    return torch.stack(steps).mean(0)


# Average digits of three classes, and what becomes of them along both directions.
shown = torch.linspace(-0.8, 0.8, 9)
rows = {}
for name, step in {"slant": direction(slant), "thickness": direction(thickness)}.items():
    for label in (1, 4, 8):
        mean = codes.z[codes.label == label].mean(0)
        rows[f"{label}: {name}"] = glo.generator(mean + shown[:, None] * step)
captions = [f"{each:+.2g}" if each else "average" for each in shown.tolist()]
pi.picture(rows, title="An average digit, plus a multiple of a direction", captions=captions).save(
    "arithmetic.png"
)
