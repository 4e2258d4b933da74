"""Codes by a cascade of linear regressions, each on what the one before left unexplained.

The first predicts codes from images; each further one the code's error from the difference between the image
and that of the code predicted so far (supervised descent, Xiong and De la Torre 2013). All are fitted once
to generated images, for any number of images; after the first, each costs an image one generator evaluation.
"""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion.generated_pairs import Pairs
from preimage.inversion.labels import generate, in_batches
from preimage.inversion.links import Link, link_of
from preimage.inversion.measurements import Measurement
from preimage.latents.priors import Prior

log = logging.getLogger(__name__)

CORRECTIONS = 8
"""Regressions that follow the first."""
FLOOR = 1e-4
"""The least variance of what the codes do not explain linearly, relative to its mean."""
MOST_WEIGHTED = 4096
"""Values of an image beyond which a weight would take too long to compute."""
UNWEIGHTED = (
    "init_codes=cascade: an image has %d values, more than %d, so they are compared unweighted, which "
    "recovers fewer codes"
)
PENALTIES = [10.0**-k for k in range(10)]
"""Of the ridge, relative to the features' mean variance."""


@dataclass(frozen=True)
class Affine:
    """A regression: (x - offset) @ gain + centre, of offset (P,), gain (P, d) and centre (d,)."""

    offset: Tensor
    gain: Tensor
    centre: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.offset) @ self.gain + self.centre


@dataclass(frozen=True)
class Cascade:
    """The regressions, fitted to a generator as it is measured."""

    network: nn.Module
    measurement: Measurement
    link: Link
    stages: list[Affine]
    weight: Tensor | None
    """(P, P) symmetric: differences of observed values times this have about the same variance in all
    directions where they come from the generator's nonlinearity; None for large images."""
    box: bool
    """Whether the prior's codes lie in [-1, 1]^d."""
    pairs: int
    """Images that it was fitted to."""

    @property
    def passes(self) -> int:
        """Generator evaluations of the fit, beyond the pairs' own."""
        return self.pairs * (len(self.stages) - 1)

    @property
    def passes_each(self) -> int:
        """Generator evaluations for an image."""
        return len(self.stages) - 1

    @torch.no_grad()
    def __call__(self, seen: Tensor, ids: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict codes (n, d) from observed images (n, C, h, w) with these ids (n,) and, for a conditional
        generator, labels (n,)."""
        ids, labels = ids.to(seen.device), None if labels is None else labels.to(seen.device)
        target = self.values(seen)
        z = self.inside(self.stages[0](target))
        for stage in self.stages[1:]:
            z = self.inside(z + stage(target - self.observed(z, ids, labels)))
        return z

    def values(self, seen: Tensor) -> Tensor:
        """(n, P)"""
        values = self.link.value(seen.flatten(1))
        return values if self.weight is None else values @ self.weight

    def observed(self, z: Tensor, ids: Tensor, labels: Tensor | None) -> Tensor:
        """The values (n, P) of what a measurement without noise sees of codes' images."""
        mask, parts = self.measurement.masks(ids), []
        for some in in_batches(z, labels, 256):
            parts.append(self.measurement.reduce(generate(self.network, *some)))
        images = torch.cat(parts)
        return self.values(images if mask is None else images * mask)

    def inside(self, z: Tensor) -> Tensor:
        return z.clamp(-1, 1) if self.box else z


@torch.no_grad()
def fit_cascade(pairs: Pairs, network: nn.Module, prior: Prior, measurement: Measurement) -> Cascade:
    """Fit the regressions to images generated from the prior's codes.

    Raises InversionError if some of them are not finite.
    """
    codes, labels, ids, seen, _ = pairs
    if not seen.isfinite().all():
        raise InversionError(
            "some images generated from the prior's codes are not finite, so init_codes=cascade cannot be "
            "fitted: check that the prior is the generator's own, or use init_codes=regression"
        )
    link, box, stages = link_of(network, measurement), prior.support == "box", []
    weight = None
    if (values := seen[0].numel()) <= MOST_WEIGHTED:
        weight = _weight(link.value(seen.flatten(1)), codes)
    else:
        log.warning(UNWEIGHTED, values, MOST_WEIGHTED)
    cascade = Cascade(network, measurement, link, stages, weight, box, len(codes))
    target = cascade.values(seen)
    stages.append(_ridge(target, codes))
    z = cascade.inside(stages[0](target))
    for _ in range(CORRECTIONS):
        left = target - cascade.observed(z, ids, labels)
        stages.append(_ridge(left, codes - z))
        z = cascade.inside(z + stages[-1](left))
    return cascade


def _weight(values: Tensor, codes: Tensor) -> Tensor:
    """The inverse root of the covariance of what is left of values (N, P) after a linear regression on codes,
    scaled so that its root mean square eigenvalue is 1."""
    x, y = (codes - codes.mean(0)).double(), (values - values.mean(0)).double()
    left = y - x @ torch.linalg.lstsq(x, y).solution
    variances, directions = torch.linalg.eigh(left.T @ left / len(left))
    tiny = torch.finfo(torch.float64).tiny
    scales = (variances.clamp_min(0) + FLOOR * variances.mean() + tiny).rsqrt()
    scales = scales / scales.square().mean().sqrt()
    return ((directions * scales) @ directions.T).float().contiguous()


def _ridge(features: Tensor, codes: Tensor) -> Affine:
    """Regress codes (N, d) on features (N, P), with the penalty of the least generalised cross-validation
    error (Golub, Heath and Wahba 1979)."""
    offset, centre = features.mean(0), codes.mean(0)
    x, y = (features - offset).double(), (codes - centre).double()
    rows = x.shape[0] < x.shape[1]
    variances, directions = torch.linalg.eigh(x @ x.T if rows else x.T @ x)
    seen = directions.T @ (y if rows else x.T @ y)
    # in either case x.T @ x has these eigenvalues, and others that are 0
    fit = seen if rows else seen * variances.clamp_min(1e-12 * variances.amax()).rsqrt()[:, None]
    variances = variances.clamp_min(0)
    scale = variances.sum() / max(x.shape) + torch.finfo(torch.float64).tiny
    outside = y.square().sum() - fit.square().sum()
    errors = []
    for penalty in PENALTIES:
        kept = variances / (variances + penalty * scale)
        error = outside + ((1 - kept)[:, None] * fit).square().sum()
        errors.append((error / (1 - (kept.sum() + 1) / len(x)) ** 2).item())
    shrunk = seen / (variances + PENALTIES[min(range(len(errors)), key=errors.__getitem__)] * scale)[:, None]
    gain = directions @ shrunk
    return Affine(offset, (x.T @ gain if rows else gain).float().contiguous(), centre)
