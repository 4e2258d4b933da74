"""The cost of an inversion as a landscape over codes: its values, its curvature, its minima."""

from collections.abc import Callable
from math import tau

import torch
from torch import Tensor


class Cost:
    """J(z) = 1/2 |A G(z*) - A G(z)|^2 (partial-measurements, eq. 3), in float64.

    see: A G, from codes (n, d) to the measured values of their images (n, m), in float64; code: z* (d,).
    """

    def __init__(self, see: Callable[[Tensor], Tensor], code: Tensor) -> None:
        self.see, self.code = see, code.double()
        self.target = see(self.code[None])

    @property
    def observed(self) -> int:
        """How many values of an image are measured."""
        return self.target.shape[1]

    def __call__(self, codes: Tensor) -> Tensor:
        """J at codes (n, d): (n,) float64."""
        return (self.see(codes.double()) - self.target).square().sum(1) / 2

    def gradients(self, codes: Tensor) -> Tensor:
        """Those of J at codes (n, d): (n, d) float64."""
        codes = codes.double().detach().requires_grad_()
        return torch.autograd.grad(self(codes).sum(), codes)[0]

    def curvatures(self, codes: Tensor) -> Tensor:
        """Eigenvalues of the Gauss-Newton matrix at codes (n, d), ascending: (n, d). At z*, where the
        residual is zero, they are those of the Hessian of J."""
        jacobian = torch.func.vmap(torch.func.jacfwd(lambda code: self.see(code[None])[0]))(codes.double())
        return torch.linalg.eigvalsh(jacobian.mT @ jacobian)


def lattice(centre: Tensor, reach: float, side: int) -> Tensor:
    """`side` x `side` points (n, 2) around a centre (2,), the outermost `reach` away; y varies slowest."""
    offsets = torch.linspace(-reach, reach, side, dtype=centre.dtype)
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    return centre + torch.stack([x.flatten(), y.flatten()], dim=1)


def flat_area(values: Tensor, share: float) -> Tensor:
    """The fraction of a window where J is below `share` of its mean there."""
    return (values < share * values.mean()).double().mean()


def is_minimum(cost: Cost, codes: Tensor, radius: float, points: int = 32) -> Tensor:
    """Whether J at codes (n, 2) is lower than everywhere on a small circle around each: (n,) bool.

    A point on a slope, however gentle, does not count, nor does one in a flat region.
    """
    angles = torch.arange(points) * (tau / points)
    circle = radius * torch.stack([angles.cos(), angles.sin()], dim=1)
    around = cost((codes[:, None] + circle).flatten(0, 1)).view(len(codes), points)
    return cost(codes) < around.amin(1)


def distinct(codes: Tensor, radius: float) -> Tensor:
    """Codes (n, d) without those closer than `radius` to an earlier one: (m, d)."""
    kept: list[Tensor] = []
    for code in codes:
        if all((code - other).norm() >= radius for other in kept):
            kept.append(code)
    return torch.stack(kept) if kept else codes[:0]
