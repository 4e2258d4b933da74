"""How far apart the codes of different classes are (flexible-priors, section 4.1, figure 2)."""

import torch
from torch import Tensor

from preimage.latents.schema import UNLABELLED

PERPLEXITY = 30.0
"""About how many neighbours t-SNE keeps together. The paper states none; t-SNE's authors advise this."""


def cluster_ratio(points: Tensor, labels: Tensor) -> float | None:
    """The mean distance between two classes' centroids, divided by the mean distance of a point to its own.

    points: (n, d) of any dtype, labels: (n,) integers; points without a label do not count. None for fewer
    than two classes, or if no class has two distinct points.

    The paper prints "the ratios of between-cluster distances to within-cluster distances" without a formula.
    This one is small, but not zero, if labels say nothing about the points: the centroids of n points each
    are then some sqrt(2 / (n - 1)) of a point's distance apart (`chance_ratio`), 0.14 for 100 points per
    class, which agrees with the 0.1 that the paper prints for its untrained generator.
    """
    points, classes, counts = _labelled(points.double(), labels)
    if len(counts) < 2:
        return None
    sums = torch.zeros(len(counts), points.shape[1], dtype=torch.float64).index_add_(0, classes, points)
    centroids = sums / counts[:, None]
    within = (points - centroids[classes]).norm(dim=1).mean().item()
    return torch.pdist(centroids).mean().item() / within if within else None


def chance_ratio(labels: Tensor) -> float | None:
    """The `cluster_ratio` of uninformative labels (n,): the ratio of the expected numerator and denominator
    for points of one normal distribution, whatever its covariance and dimension.

    Centroids of n and m points differ by sqrt(1/n + 1/m) of a point's own deviation, and a point from its
    centroid by sqrt(1 - 1/n). None if `cluster_ratio` is None for any points.
    """
    _, classes, counts = _labelled(labels[:, None].double(), labels)
    if len(counts) < 2 or counts.max() < 2:
        return None
    first, second = torch.combinations(counts).unbind(1)
    between = (1 / first + 1 / second).sqrt().mean()
    within = (1 - 1 / counts[classes]).sqrt().mean()
    return (between / within).item()


def tsne(codes: Tensor, seed: int) -> Tensor:
    """Codes (n, d) in two dimensions, with neighbours close together: (n, 2) float64, n at least 4.

    Reproducible with the same seed. Perplexity 30, or less for few codes; starts from the first two principal
    components. Distances between groups mean little in such a map, and depend on these settings.
    """
    from sklearn.manifold import TSNE  # slow to import

    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(codes.double().numpy())
    return torch.from_numpy(found).double()


def _labelled(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The points with a label, the class (n,) of each, and the size of each class (K,) float64."""
    known = labels != UNLABELLED
    _, classes, counts = labels[known].unique(return_inverse=True, return_counts=True)
    return points[known], classes, counts.double()
