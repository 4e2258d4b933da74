"""Denoising feature matching (denoising-feature-matching, section 3)."""

from torch import Tensor


def denoising_loss(features: Tensor, denoised: Tensor) -> Tensor:
    """||h - r(C(h))||^2, averaged over the batch (equation 5). Both (N, n), to a scalar."""
    return (denoised - features).square().sum(1).mean()


def feature_loss(features: Tensor, denoised: Tensor) -> Tensor:
    """||h - r(h)||^2, averaged over the batch: the first term of equation 4 without its weight.

    features, denoised: (N, n), of generated images. The target `denoised` is detached.
    """
    return (features - denoised.detach()).square().sum(1).mean()
