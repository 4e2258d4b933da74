"""Principal components of streamed images: block Lanczos on a covariance that is never formed.

Every pass multiplies the covariance with a block of directions. The blocks so far span a Krylov space, whose
best components are found exactly (Musco and Musco 2015, algorithm 2, each block kept orthogonal to those
before it). After a few passes that space is as good as the whole; with p directions it is the whole.
Memory: one batch, and at most BLOCKS + 1 blocks of p x (d + SPARE) float64.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.float32 import float32_products
from preimage.models.pca_size import require_possible
from preimage.random_streams import Stream

Batches = Callable[[], Iterator[Tensor]]
"""Streams all images once, in batches (n, C, H, W) float32."""

SPARE = 8
"""Columns of a block beyond the requested components."""
BLOCKS = 8
"""The most blocks to keep; beyond them only the best directions of all are kept."""
TOLERANCE = 1e-6
"""A pass that raises the captured variance by less than this fraction is the last."""
NOISE = 1e-7
"""A direction this small relative to the largest one is a rounding error of float32 products."""
ROUNDING = 1e-12
"""A variance this small relative to the mean square is a rounding error of float64 sums."""


@dataclass(frozen=True, eq=False)
class Components:
    """The mean of images and the directions in which they vary most; p = C * H * W.

    mean: (p,) float32. components: (d, p) float32, orthonormal rows, the largest entry of each positive.
    variances: (d,) float64, of the images along each component, divided by n - 1, descending. total: the
    variance of all p pixels. count: images. passes: over all images.
    """

    mean: Tensor
    components: Tensor
    variances: Tensor
    total: float
    count: int
    passes: int

    @property
    def explained(self) -> float:
        """The fraction of the images' variance that the components explain; 1 for identical images."""
        return (self.variances.sum() / self.total).item() if self.total else 1.0

    def scores(self, images: Tensor) -> Tensor:
        """The optimal codes (n, d) float32 of images (n, C, H, W) or (n, p), on their device."""
        rows = images.flatten(1) - self.mean.to(images.device)
        return rows @ self.components.T.to(images.device)


def principal_components(
    batches: Batches,
    d: int,
    *,
    seed: int = 0,
    reduce: Callable[[Tensor], Tensor] = lambda share: share,
    on_progress: Callable[[int], None] = lambda passes: None,
) -> Components:
    """The d principal components of all images, on the device of the batches.

    reduce: if several workers each stream their part of the images, at least one, sums a float64 tensor over
    all workers; each ends with the same components, those of all images. on_progress: called after each pass
    with the number of passes so far. The same seed gives the same result. Raises PreimageError for d above
    min(images - 1, pixels).
    """
    mean, total, count = _mean(batches, reduce)
    require_possible(d, count, len(mean))
    on_progress(1)
    space, block, captured, passes = _Space.empty(mean), _start(mean, d + SPARE, seed), 0.0, 1
    while True:
        product = reduce(_product(batches, mean, block)) / (count - 1)
        space = space.grown(block, product)
        passes += 1
        on_progress(passes)
        values, directions = space.best(d)
        before, captured = captured, values.sum().item()
        if captured - before <= TOLERANCE * captured:
            break
        block = space.beyond(product)
        if not block.shape[1]:
            break
        space = space.pruned(BLOCKS * (d + SPARE))
    rows = directions.T.float()
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return Components(mean, rows * largest.sign(), values.clamp_min(0).cpu(), total, count, passes)


@dataclass(frozen=True, eq=False)
class _Space:
    """Directions searched so far, and the covariance within their span.

    basis: (p, m) float64, orthonormal columns. inner: (m, m) float64, basis^T covariance basis.
    """

    basis: Tensor
    inner: Tensor

    @classmethod
    def empty(cls, mean: Tensor) -> "_Space":
        return cls(
            mean.new_empty(len(mean), 0, dtype=torch.float64), mean.new_empty(0, 0, dtype=torch.float64)
        )

    def grown(self, block: Tensor, product: Tensor) -> "_Space":
        """Add a block (p, b) orthogonal to the basis, given the covariance's product with it (p, b)."""
        across, own = self.basis.T @ product, block.T @ product
        inner = torch.cat(
            [torch.cat([self.inner, across], 1), torch.cat([across.T, (own + own.T) / 2], 1)], 0
        )
        return _Space(torch.cat([self.basis, block], 1), inner)

    def best(self, d: int) -> tuple[Tensor, Tensor]:
        """The d largest variances (d,) in this space, and their directions (p, d)."""
        values, vectors = torch.linalg.eigh(self.inner)
        return values.flip(0)[:d], self.basis @ vectors.flip(1)[:, :d]

    def beyond(self, product: Tensor) -> Tensor:
        """The part of a product (p, b) outside this space, as orthonormal columns; there may be none."""
        scale = product.norm(dim=0).max()
        block, sizes = torch.linalg.qr(self._outside(product))
        block = block[:, sizes.diagonal().abs() > NOISE * scale]
        return torch.linalg.qr(self._outside(block))[
            0
        ]  # a small remainder is not yet orthogonal to the basis

    def pruned(self, most: int) -> "_Space":
        """This space, or its `most // 2` best directions if it has more than `most`."""
        if self.basis.shape[1] <= most:
            return self
        values, directions = self.best(most // 2)
        return _Space(directions, values.diag())

    def _outside(self, block: Tensor) -> Tensor:
        for _ in range(2):  # twice is enough
            block = block - self.basis @ (self.basis.T @ block)
        return block


def _mean(batches: Batches, reduce: Callable[[Tensor], Tensor]) -> tuple[Tensor, float, int]:
    """The mean (p,) float32, the variance of all pixels together, and the number of images."""
    sums: Tensor | None = None
    for images in batches():
        rows = images.flatten(1)
        squares = torch.linalg.vector_norm(rows, dtype=torch.float64).square()
        found = torch.cat(
            [rows.sum(0, dtype=torch.float64), squares.view(1), squares.new_full((1,), len(rows))]
        )
        sums = found if sums is None else sums + found
    if sums is None:
        raise PreimageError("principal components need at least two images but got none")
    sums = reduce(sums)
    count = round(sums[-1].item())
    mean = sums[:-2] / count
    spread = (sums[-2] - count * mean.square().sum()).item()
    if spread < ROUNDING * sums[-2]:  # identical images
        spread = 0.0
    return mean.float(), spread / max(1, count - 1), count


def _start(mean: Tensor, columns: int, seed: int) -> Tensor:
    """Random orthonormal directions (p, columns) float64, the same on every device; at most p of them."""
    random = Stream.PCA.generator(seed)
    noise = torch.randn(len(mean), min(columns, len(mean)), generator=random, dtype=torch.float64)
    return torch.linalg.qr(noise)[0].to(mean.device)


@float32_products("ieee")
def _product(batches: Batches, mean: Tensor, block: Tensor) -> Tensor:
    """The centred images' scatter matrix times a block (p, b), float64; products float32, sums float64."""
    narrow, total = block.float(), torch.zeros_like(block)
    for images in batches():
        rows = images.flatten(1) - mean
        total += rows.T @ (rows @ narrow)
    return total
