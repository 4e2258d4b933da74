"""Walk from one image to another.

Between the codes of two images lie those of images in between, each of them a plausible one.
Blending pixels shows two images on top of each other instead.

A straight line passes closer to the middle of the latent space than the prior's codes lie; an arc
keeps its distance. One reads that arcs are better. Here there is little between them.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None
STEPS = 10

digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile=SIZE))
codes = digits.store.head(len(digits.store))


def best(label: int) -> Tensor:
    """The code of the image of a class that is reconstructed best."""
    chosen = codes[codes.label == label]
    return chosen.z[chosen.loss.argmin()]


def arc(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation: codes (n, d) from `start` to `end`, whose lengths change evenly."""
    angle = torch.arccos(torch.cosine_similarity(start, end, dim=0))
    across = torch.sin((1 - share) * angle) * start / start.norm()
    across = across + torch.sin(share * angle) * end / end.norm()
    return across / torch.sin(angle) * torch.lerp(start.norm(), end.norm(), share)


# The prior's codes are about as long as the root of their number of components, 4.5 for 20. So the
# names of the rows say how long the codes are at the ends and in the middle.
share = torch.linspace(0, 1, STEPS)[:, None]
rows = {}
for first, last in ((0, 3), (6, 7)):
    start, end = best(first), best(last)
    for name, z in {"line": torch.lerp(start, end, share), "arc": arc(start, end, share)}.items():
        lengths = ", ".join(f"{each:.1f}" for each in z[[0, STEPS // 2, -1]].norm(dim=1).tolist())
        rows[f"{first} to {last}: {name}\n|z| {lengths}"] = digits.generator(z)
    ends = digits.generator(torch.stack([start, end]))
    rows[f"{first} to {last}:\npixels blended"] = torch.lerp(ends[0], ends[1], share[..., None, None])
title = "From one digit to another: through the codes, and through the pixels"
pi.picture(rows, title=title).save("walk.png")
