"""Gaussian measurements, compressed sensing's own (Bora et al. 2017, arXiv 1703.03208)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from preimage.data.image_shape import shape_text
from preimage.errors import InversionError
from preimage.inversion.free_memory import GIB, free_memory
from preimage.inversion.masks import count_of
from preimage.inversion.operators import LinearOperator, OperatorKind, OperatorSetup
from preimage.random_streams import Stream, normal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CHUNK = 1 << 20
"""Entries drawn at once."""


class GaussianMatrix:
    """A of m rows with independent entries of N(0, 1/m): |A x|^2 is |x|^2 on average.

    The entries depend on the seed alone: they are the same for every image and on every worker. A lower rate
    has the first rows of a higher one, but for their scale.
    """

    def __init__(self, seed: int, rows: int, columns: int) -> None:
        self.seed, self.rows, self.columns = seed, rows, columns
        self._matrix: Tensor | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Images (n, C, H, W) to (n, m)."""
        return images.flatten(1) @ self.matrix(images.device).to(images.dtype).T

    def matrix(self, device: torch.device) -> Tensor:
        """(m, C * H * W) float32, drawn when it is first asked for."""
        if self._matrix is None:
            self._matrix = self._drawn()
        self._matrix = self._matrix.to(device)
        return self._matrix

    def _drawn(self) -> Tensor:
        import torch

        with torch.no_grad():
            some = max(1, CHUNK // self.columns)
            seed = Stream.GAUSSIAN_MATRIX.seed(self.seed)
            drawn = torch.empty(self.rows, self.columns)
            for rows in torch.arange(self.rows).split(some):
                drawn[rows] = normal(seed, rows, 0, self.columns)
            return drawn.div_(self.rows**0.5)


def gaussian(setup: OperatorSetup) -> LinearOperator:
    """The Gaussian matrix of round(rate * C * H * W) rows. Raises InversionError if it has none, or does not
    fit into memory: it takes four bytes an entry."""
    columns = prod(setup.shape)
    rows = count_of(setup.rate, columns)
    if not rows:
        raise InversionError(
            f"operator gaussian at rate {setup.rate:g} observes nothing of {shape_text(setup.shape)} images: "
            f"give a rate of at least {1 / columns:.2g}"
        )
    needed, free = 4 * rows * columns, free_memory()
    if needed > free:
        raise InversionError(
            f"operator gaussian at rate {setup.rate:g} is a matrix of {rows:,} x {columns:,} numbers, "
            f"{needed / GIB:.3g} GiB, but {free / GIB:.3g} GiB of memory are free: lower the rate, or take "
            "smaller images"
        )
    return LinearOperator(GaussianMatrix(setup.seed, rows, columns), observed=(rows,))


GAUSSIAN = OperatorKind(gaussian, takes_rate=True)
