"""How far apart the codes of different classes are (flexible-priors, section 4.1, figure 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from preimage.extras import require
from preimage.latents.schema import UNLABELLED

if TYPE_CHECKING:
    from torch import Tensor

PERPLEXITY = 30.0
"""About how many neighbours t-SNE keeps together. The paper states none; t-SNE's authors advise this."""


class ClassRatios(NamedTuple):
    """Distances between classes over those within, read in two ways: the paper prints "the ratios of
    between-cluster distances to within-cluster distances" without a formula."""

    scatter: float
    """tr(B) / tr(W): the squared distances of the class means from the mean of all points, one for each
    point, over the squared distances of the points from their class means."""
    centroid: float
    """The mean distance between two classes' means, over the mean distance of a point from its own."""


def class_ratios(points: Tensor, labels: Tensor) -> ClassRatios | None:
    """How far apart the classes of points lie.

    points: (n, d) of any dtype, labels: (n,) integers; points without a label do not count. None for fewer
    than two classes, or if no class has two distinct points.
    """
    import torch

    points, classes, counts = _labelled(points.double(), labels)
    if len(counts) < 2:
        return None
    sums = torch.zeros(len(counts), points.shape[1], dtype=torch.float64).index_add_(0, classes, points)
    means = sums / counts[:, None]
    own = (points - means[classes]).norm(dim=1)
    if not own.any():
        return None
    between = counts @ (means - points.mean(0)).square().sum(1)
    return ClassRatios((between / own.square().sum()).item(), (torch.pdist(means).mean() / own.mean()).item())


def chance_ratios(labels: Tensor) -> ClassRatios | None:
    """The `class_ratios` of uninformative labels (n,): each the ratio of the expected numerator and
    denominator for points of one normal distribution, whatever its covariance and dimension.

    Of n points in K classes, B has K - 1 degrees of freedom and W has n - K. Means of n and m points differ
    by sqrt(1/n + 1/m) of a point's own deviation, and a point from its class mean by sqrt(1 - 1/n). None if
    `class_ratios` is None for any points.
    """
    import torch

    _, classes, counts = _labelled(labels[:, None].double(), labels)
    if len(counts) < 2 or counts.max() < 2:
        return None
    first, second = torch.combinations(counts).unbind(1)
    between = (1 / first + 1 / second).sqrt().mean()
    within = (1 - 1 / counts[classes]).sqrt().mean()
    return ClassRatios((len(counts) - 1) / (len(classes) - len(counts)), (between / within).item())


def tsne(codes: Tensor, seed: int) -> Tensor:
    """Codes (n, d) in two dimensions, with neighbours close together: (n, 2) float64, n at least 4.

    Reproducible with the same seed. Perplexity 30, or less for few codes; starts from the first two principal
    components. Distances between groups mean little in such a map, and depend on these settings.
    """
    require("a t-SNE map", "scikit-learn")
    import torch
    from sklearn.manifold import TSNE  # slow to import

    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(codes.double().numpy())
    return torch.from_numpy(found).double()


def _labelled(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The points with a label, the class (n,) of each, and the size of each class (K,) float64."""
    known = labels != UNLABELLED
    _, classes, counts = labels[known].unique(return_inverse=True, return_counts=True)
    return points[known], classes, counts.double()
