"""Walk from one image to another.

Between the codes of two images lie those of images in between. A straight line cuts through the middle of the
latent space, where a normal prior has almost no codes; an arc keeps its distance from the middle. Blending
pixels shows what neither does: two digits on top of each other.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None
STEPS = 10

digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile=SIZE))
given = digits.images()
first = [given.labels.tolist().index(label) for label in (2, 6)]  # a two and a six
found = pi.invert(digits.generator, given.images[first])


def arc(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation: codes (n, d) from `start` to `end`, whose lengths change evenly."""
    angle = torch.arccos(torch.cosine_similarity(start, end, dim=0))
    across = (
        torch.sin((1 - share) * angle) * start / start.norm() + torch.sin(share * angle) * end / end.norm()
    )
    return across / torch.sin(angle) * torch.lerp(start.norm(), end.norm(), share)


share = torch.linspace(0, 1, STEPS)[:, None]
line = found.walk(0, 1, STEPS)  # images and codes of the straight line
codes = arc(*found.z, share)
bent = found.generator(codes)
blend = torch.lerp(*found.reconstructions, share[..., None, None])


def lengths(z: Tensor) -> str:
    return f"|z| {z[0].norm():.1f}, {z[len(z) // 2].norm():.1f}, {z[-1].norm():.1f}"


# The prior's codes are about as long as the root of their number of components: 4.5 for 20.
rows = {
    f"straight line\n{lengths(line.codes)}": line.images,
    f"arc\n{lengths(codes)}": bent,
    "pixels blended": blend,
}
pi.picture(rows, title="From one digit to another: through the codes, and through the pixels").save(
    "walk.png"
)
