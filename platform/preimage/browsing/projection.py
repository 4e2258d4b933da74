"""Codes in two dimensions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from preimage.browsing.directions import signed
from preimage.latents.statistics import Moments
from preimage.metrics.clusters import tsne

COMPONENTS = 50
"""t-SNE sees so many principal components of longer codes, as its authors do (van der Maaten and Hinton 2008,
section 4.2)."""

Progress = Callable[[str], Callable[[int, int], None]]
"""Start a task whose progress the user can watch: (done, total)."""


def silent(task: str) -> Callable[[int, int], None]:
    """A Progress to nobody."""
    return lambda done, total: None


@dataclass(frozen=True, eq=False)
class Principal:
    """Principal components of codes: centre (d,), axes (count, d), unit vectors, and the standard deviations
    (count,) along them, the largest first; all float64. The axes are `signed`."""

    centre: Tensor
    axes: Tensor
    deviations: Tensor

    def of(self, z: Tensor) -> np.ndarray:
        """Codes (n, d) in these axes: (n, count) float32."""
        return ((z.double() - self.centre) @ self.axes.T).float().numpy()


def principal(moments: Moments, count: int) -> Principal:
    """The first `count` principal components, or all of shorter codes. One code has no directions: its axes
    are any. Raises PreimageError without codes."""
    dim = len(moments.total)
    spread = moments.covariance if moments.count > 1 else torch.zeros(dim, dim, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(spread)
    axes = signed(vectors.T.flip(0)[:count])
    return Principal(moments.mean, axes, values.flip(0)[:count].clamp_min(0).sqrt())


def pca_map(batches: Callable[[], Iterable[Tensor]], count: int, progress: Progress = silent) -> np.ndarray:
    """The first two principal components (n, 2) float32 of streamed codes (n, d), in two passes.

    count: codes in all. The second is 0 for codes of one component.
    """
    advance = progress("finding principal components")
    moments, seen = None, 0
    for z in batches():
        moments = (moments or Moments.empty(z.shape[1])).update(z)
        seen += len(z)
        advance(seen, 2 * count)
    if moments is None:
        return np.zeros((0, 2), np.float32)
    axes, found = principal(moments, 2), np.zeros((seen, 2), np.float32)
    first = 0
    for z in batches():
        some = axes.of(z)
        found[first : first + len(z), : some.shape[1]] = some
        first += len(z)
        advance(seen + first, 2 * count)
    return found


def tsne_map(z: Tensor, seed: int) -> np.ndarray:
    """A t-SNE map (n, 2) float32 of codes (n, d): as analyze-codes makes it, of the first 50 principal
    components if there are more. Fewer than 4 codes, and codes of one component, are laid out by PCA."""
    if len(z) < 4 or z.shape[1] < 2:
        return pca_map(lambda: [z], len(z))
    if z.shape[1] > COMPONENTS:
        z = torch.from_numpy(principal(Moments.of([z]), COMPONENTS).of(z))
    return tsne(z, seed).float().numpy()
