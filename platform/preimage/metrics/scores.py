"""Scores of a set of images from a classifying network's outputs, as the literature computes them.

The network determines their names: see `preimage.models.scorer`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.latents.statistics import Moments


class Score(NamedTuple):
    """A score and the settings it depends on: it grows with the images per split."""

    mean: float
    """Over the splits."""
    std: float
    """Over the splits, with ddof 0."""
    splits: int
    images_per_split: int
    """In the smallest split; others may hold one more."""


def inception_score(logits: Tensor, splits: int = 10) -> Score:
    """exp of the mean divergence KL(p(y|x) || p(y)) in each split (arXiv:1606.03498, section 4).

    logits: (N, K), of any network; N is cut into `splits` runs of consecutive images. In float64 and in
    logarithms throughout, so that a class of probability 0 does not give 0 * inf.
    Raises PreimageError for fewer images than splits and for non-finite logits.
    """
    _require_finite(logits, "logits")
    count = len(logits)
    if not 1 <= splits <= count:
        raise PreimageError(f"splits must be 1 to {count:,}, the number of images, but got {splits}")
    parts = [logits[i * count // splits : (i + 1) * count // splits] for i in range(splits)]
    scores = torch.tensor([_divergence(part).exp().item() for part in parts], dtype=torch.float64)
    return Score(scores.mean().item(), scores.std(correction=0).item(), splits, count // splits)


def _divergence(logits: Tensor) -> Tensor:
    """The mean over images of KL(p(y|x) || p(y)), p(y) being the mean of p(y|x) over these images."""
    log_p = logits.double().log_softmax(1)
    log_q = log_p.logsumexp(0) - math.log(len(log_p))
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + Tr(A + B - 2 (A B)^(1/2)) of two sets' features (arXiv:1706.08500, eq. 6).

    A and B are covariances, divided by n - 1. In float64; Tr (A B)^(1/2) is the sum of the singular values of
    A^(1/2) B^(1/2), which also holds for singular covariances: those of fewer images than features.
    Raises PreimageError for fewer than two images, features of different networks, or non-finite ones.
    """
    if len(a.total) != len(b.total):
        raise PreimageError(f"cannot compare features of {len(a.total)} and {len(b.total)} dimensions")
    for each in (a, b):
        _require_finite(each.gram, "features")
    shift = (a.mean - b.mean).square().sum()
    one, other = _root(a.covariance), _root(b.covariance)
    shared = torch.linalg.svdvals(one.T @ other).sum()
    distance = shift + one.square().sum() + other.square().sum() - 2 * shared
    return max(0.0, distance.item())  # equal sets differ only by rounding


def _root(covariance: Tensor) -> Tensor:
    """(d, r) with root root^T = the covariance, of rank r; drops directions that are only rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    held = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, held] * values[held].sqrt()


def class_histogram(logits: Tensor) -> Tensor:
    """(K,) int64: for how many images each class is the most likely one; logits: (N, K)."""
    return logits.argmax(1).bincount(minlength=logits.shape[1])


def class_entropy(histogram: Tensor) -> float:
    """In nats, of counts (K,): log K if all classes are equally frequent, 0 if there is only one."""
    shares = histogram.double() / histogram.sum()
    return torch.special.entr(shares).sum().item()


def _require_finite(numbers: Tensor, what: str) -> None:
    if not numbers.isfinite().all():
        raise PreimageError(
            f"{what} must be finite to be scored: the samples or the scoring network hold NaN or infinity"
        )
