"""The directions of a code in which a generator's image changes most: the Jacobian's top singular vectors.

Of codes with few components the whole Jacobian is measured. Of others a Krylov space of it is searched (Golub
and Kahan 1965), with every direction kept orthogonal to all before, by products with J and its transpose.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from preimage.browsing.directions import Directions, signed
from preimage.float32 import float32_products
from preimage.inversion.jacobian import Jacobian, NoJacobianError
from preimage.inversion.labels import generate
from preimage.random_streams import Stream

WHOLE = 128
"""The most components of a code whose whole Jacobian is measured."""
TOLERANCE = 1e-3
"""How far J^T u may be from s v, relative to the largest s, where the search stops."""


def sensitive_directions(
    network: nn.Module, code: Tensor, label: Tensor | None, count: int, whole: int = WHOLE
) -> Directions:
    """The top right singular vectors of the Jacobian of an image by its code (d,), and its singular values.

    label: (1,), for a conditional generator. whole: the most components for which all of it is measured.
    Raises NoJacobianError if torch cannot differentiate the generator, or the Jacobian is not finite here.
    """
    z = code[None].float()
    jacobian = Jacobian.of(network, z)
    if z.shape[1] <= max(whole, count):
        slopes = jacobian(z, label)[1][0].flatten(1).double()
        return _whole(slopes, code, count)
    return _searched(Products(network, z, label, jacobian.forward_mode), code, count)


def _whole(slopes: Tensor, code: Tensor, count: int) -> Directions:
    _require_finite(slopes)
    vectors, values, _ = torch.linalg.svd(slopes, full_matrices=False)
    squares = values.square()
    share = squares / squares.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return _directions(vectors.T[:count], values[:count], share[:count], code)


def _directions(vectors: Tensor, values: Tensor, share: Tensor, code: Tensor) -> Directions:
    return Directions(
        vectors=signed(vectors).float().numpy(),
        scales=values.numpy(),
        share=share.numpy(),
        centre=code.detach().float().numpy(),
    )


@dataclass(frozen=True)
class Products:
    """Products of the Jacobian J (P, d) at a code with vectors, in the network's precision."""

    network: nn.Module
    z: Tensor
    """(1, d)"""
    label: Tensor | None
    forward_mode: bool
    """See `Jacobian`."""

    def along(self, vector: Tensor) -> Tensor:
        """J v, (P,) float64, for v (d,)."""
        tangent = vector[None].to(self.z)
        return (self._forward(tangent) if self.forward_mode else self._twice(tangent)).flatten().double()

    @torch.enable_grad()
    def back(self, weights: Tensor) -> Tensor:
        """J^T u, (d,) float64, for u (P,)."""
        codes = self.z.detach().clone().requires_grad_()
        images = generate(self.network, codes, self.label)
        (slope,) = torch.autograd.grad(images, codes, weights.view_as(images).to(images))
        return slope[0].double()

    @torch.no_grad()
    def _forward(self, tangent: Tensor) -> Tensor:
        return jvp(lambda codes: generate(self.network, codes, self.label), (self.z,), (tangent,))[1]

    @torch.enable_grad()
    def _twice(self, tangent: Tensor) -> Tensor:
        codes = self.z.detach().clone().requires_grad_()
        images = generate(self.network, codes, self.label)
        weights = torch.zeros_like(images, requires_grad=True)
        (along,) = torch.autograd.grad(images, codes, weights, create_graph=True)
        return torch.autograd.grad(along, weights, tangent)[0]


@float32_products("ieee")
@sdpa_kernel(SDPBackend.MATH)
def _searched(products: Products, code: Tensor, count: int) -> Directions:
    """By the bidiagonalisation J V = U B, B upper bidiagonal, until the first `count` no longer change."""
    d, most = len(code), min(len(code), 8 * count + 60)
    start = torch.randn(d, generator=Stream.SENSITIVE_DIRECTIONS.generator(0), dtype=torch.float64)
    v, beta = start / start.norm(), 0.0
    right, left, diagonal, beside = [v], [], [], []
    while True:
        u = products.along(v) - (beta * left[-1] if left else 0)
        u = _apart(u, left)
        alpha = float(u.norm())
        left.append(u / alpha if alpha else u)
        diagonal.append(alpha)
        w = _apart(products.back(left[-1]) - alpha * v, right)
        beta = float(w.norm())
        if not np.isfinite(alpha + beta):
            raise NoJacobianError("the generator's Jacobian is not finite at this code")
        values, vectors, residuals = _ritz(diagonal, beside, beta)
        enough = len(values) >= count and bool((residuals[:count] <= TOLERANCE * values[0]).all())
        if enough or len(right) >= most or beta <= 1e-6 * max(diagonal):
            break
        beside.append(beta)
        v = w / beta
        right.append(v)
    found = torch.from_numpy(vectors[:count]) @ torch.stack(right)
    top = torch.from_numpy(values[:count].copy())
    return _directions(found, top, torch.full_like(top, torch.nan), code)


def _apart(vector: Tensor, others: list[Tensor]) -> Tensor:
    """A vector without its share along orthonormal others, taken away twice for the rounding."""
    if others:
        basis = torch.stack(others)
        for _ in range(2):
            vector = vector - basis.T @ (basis @ vector)
    return vector


def _ritz(
    diagonal: list[float], beside: list[float], beta: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values (k,) of the bidiagonal matrix, right singular vectors (k, k) as rows, and |J^T u - s v|
    of each (k,)."""
    matrix = np.diag(diagonal) + np.diag(beside, 1)
    left, values, right = np.linalg.svd(matrix)
    return values, right, beta * np.abs(left[-1])


def _require_finite(slopes: Tensor) -> None:
    if not bool(slopes.isfinite().all()):
        raise NoJacobianError("the generator's Jacobian is not finite at this code")
