"""Whether the cost of an inversion falls everywhere but at the code (partial-measurements, eqs. 4 and 5).

Theorem 1 says that a net of random weights leaves a direction of descent at every code z but near z*, near
-rho z*, and at 0, where all directions descend. It takes for that direction -grad J(z), or where J has no
gradient a limit of such (as Hand and Voroninski 2017 do), along which the derivative is -|grad J|^2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import acos, cos, pi, sin, tau

import torch
from torch import Tensor

from preimage.metrics.landscape import Cost


@dataclass(frozen=True)
class Descent:
    """The steepest descent of J from codes z."""

    slope: Tensor
    """(n,) float64: |grad J(z)| |z - z*| / (2 J(z)), which no scale of weights, codes or pixels changes. It
    is 1 in a round bowl around z*, at least 1 wherever J is a quadratic with its minimum there, and 0 where J
    is stationary, z* apart: also at other codes of the same image."""
    cosine: Tensor
    """(n,) float64: of the angle between -grad J(z) and z* - z; 0 where J is stationary."""
    direction: Tensor
    """(n, d) float64: -grad J(z) as a unit vector, or zero."""


def descent(cost: Cost, codes: Tensor) -> Descent:
    """How J descends from codes (n, d)."""
    gradients, offsets = cost.gradients(codes), cost.code - codes.double()
    steepness, distance, values = gradients.norm(dim=1), offsets.norm(dim=1), cost(codes)
    moves = (steepness > 0) & (values > 0)
    slope = torch.where(moves, steepness * distance / (2 * values), 0.0)
    direction = torch.where(moves[:, None], -gradients / steepness[:, None], 0.0)
    return Descent(slope, (direction * offsets).sum(1) / distance, direction)


def cosine_of_images(see: Callable[[Tensor], Tensor], code: Tensor, directions: Tensor) -> Tensor:
    """-D_z J(0) over |A G(z*)| |A G(z)| for directions z (n, d): (n,) float64; 0 where an image is black.

    With rectifiers and no biases G(tz) = t G(z) for t > 0, so that J(tz) = 1/2 |A G(z*) - t A G(z)|^2 and
    D_z J(0) = -<A G(z*), A G(z)>. No product of images of rectifiers is negative: equation 5 fails where it
    is zero.
    """
    target, images = see(code[None].double()), see(directions.double())
    norms = images.norm(dim=1) * target.norm()
    return torch.where(norms > 0, (images * target).sum(1) / norms, 0.0)


def contracted(angle: float, layers: int = 1) -> float:
    """The angle between two vectors after wide random layers with ReLU. For each layer it becomes g(a), with
    cos g(a) = ((pi - a) cos a + sin a) / pi (Cho and Saul 2009)."""
    for _ in range(layers):
        angle = acos(min(1.0, ((pi - angle) * cos(angle) + sin(angle)) / pi))
    return angle


def negative_multiple(layers: int) -> float:
    """rho: where wide random nets have another stationary point, at -rho z*. 1/pi for two layers."""
    return _shares(pi, layers)[1]


def expected_gradient(codes: Tensor, code: Tensor, layers: int) -> Tensor:
    """That of J at codes (n, d) through infinitely wide layers of theorem 1's weights, seen whole: (n, d).

    2^-layers (z - p z* - q |z*| z / |z|), where p and q depend on the angle between z and z* (Hand and
    Voroninski 2017). Seen in part, it is that share of it.
    """
    codes, code = codes.double(), code.double()
    cosines = torch.cosine_similarity(codes, code[None]).clamp(-1, 1)
    along, radial = torch.tensor([_shares(acos(each), layers) for each in cosines.tolist()]).double().T
    units = codes / codes.norm(dim=1, keepdim=True)
    return (codes - along[:, None] * code - radial[:, None] * code.norm() * units) / 2**layers


def _shares(angle: float, layers: int) -> tuple[float, float]:
    """p and q: how much of z*, and of its length along z, is left in the expected image of z*."""
    along, radial = 1.0, 0.0
    for _ in range(layers):
        kept = (pi - angle) / pi
        along, radial = along * kept, radial * kept + sin(angle) / pi
        angle = contracted(angle)
    return along, radial


def half_plane(code: Tensor, across: Tensor, radii: Tensor, angles: Tensor) -> Tensor:
    """Codes (radii, angles, d) at these multiples of |z*| from 0 and these angles to z*, in radians.

    across: (d,), any vector but a multiple of z*; the codes lie on its side of the plane through it and z*.
    """
    along = code / code.norm()
    across = across - (across @ along) * along
    across = across / across.norm()
    circle = angles.cos()[:, None] * along + angles.sin()[:, None] * across
    return code.norm() * radii[:, None, None] * circle


def polar_lattice(reach: float, radii: int, angles: int) -> tuple[Tensor, Tensor]:
    """Radii up to `reach`, evenly spaced and without 0, and angles from 0 to pi; float64."""
    return torch.arange(1, radii + 1).double() * (reach / radii), torch.linspace(0, tau / 2, angles).double()
