"""Where each image's search starts, and what a generator reveals about its inverse beforehand."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion.cascade import Affine, Cascade, fit_cascade
from preimage.inversion.config import PREDICTED, InitCodesName, InversionConfig
from preimage.inversion.generated_pairs import Pairs
from preimage.inversion.measurements import Measurement
from preimage.latents.priors import Prior
from preimage.random_streams import Stream

NEAR_ZERO = 1e-4
"""Standard deviation of codes that start near zero (flexible-priors, section E)."""
RIDGE = 0.1
"""The regression's penalty, relative to the features' mean variance."""
DAMPING = 0.1
"""Of the metric tensor, relative to its mean eigenvalue."""


@dataclass(frozen=True)
class Regression:
    """Codes as an affine function of their observed images, fitted once for any number of images.

    passes, passes_each: generator evaluations beyond the pairs' own: of the fit, and for an image.
    """

    fit: Affine
    passes: int = 0
    passes_each: int = 0

    def __call__(self, seen: Tensor, ids: Tensor | None = None, labels: Tensor | None = None) -> Tensor:
        """Predict codes (n, d) from observed images (n, C, h, w), or an operator's (n, ...), whatever their
        ids and labels."""
        return self.fit(seen.flatten(1))


Predictor = Regression | Cascade


def fit_predictor(
    name: InitCodesName | None, pairs: Pairs, network: nn.Module, prior: Prior, measurement: Measurement
) -> Predictor | None:
    """What predicts starts of this name, for images that are measured so; None for those that are drawn."""
    if name == "cascade":
        return fit_cascade(pairs, network, prior, measurement)
    return fit_regression(pairs) if name == "regression" else None


def fit_regression(pairs: Pairs) -> Regression:
    """Ridge regression on images generated from the prior's codes.

    Raises InversionError if most of them are not finite.
    """
    seen = pairs.seen.flatten(1)
    whole = seen.isfinite().all(1)
    if 2 * int(whole.sum()) < len(seen):
        raise InversionError(
            f"only {int(whole.sum())} of {len(seen)} images generated from the prior's codes are finite: "
            "check that the prior is the generator's own and that its training run did not diverge"
        )
    return Regression(_ridge(seen[whole], pairs.codes[whole]))


def whitening_of(gradients: Tensor) -> Tensor:
    """The inverse square root (d, d) of the damped mean of J J^T over the prior; J the generator's Jacobian.

    In coordinates u with z = whitening u the loss is about equally steep in all directions. gradients:
    (M, d), see `Pairs`.
    """
    return _whitening(_shrunk(gradients[gradients.isfinite().all(1)].double()))


def _shrunk(rows: Tensor) -> Tensor:
    """The mean square (d, d) of rows (n, d), moved towards a multiple of the identity as far as n rows leave
    it uncertain (oracle approximating shrinkage, Chen et al. 2010, eq. 23)."""
    n, d = rows.shape
    square = rows.T @ rows / max(n, 1)
    trace, squared = square.trace(), square.square().sum()
    apart = (n + 1 - 2 / d) * (squared - trace.square() / d)
    share = (((1 - 2 / d) * squared + trace.square()) / apart).nan_to_num(1).clamp(0, 1)
    square *= 1 - share
    square.diagonal().add_(share * trace / d)
    return square


def _ridge(features: Tensor, codes: Tensor) -> Affine:
    """Regress codes (N, d) on features (N, P), by the smaller of the two normal equations."""
    offset, centre = features.mean(0), codes.mean(0)
    x, y = features - offset, codes - centre
    penalty = RIDGE * x.square().mean() * len(x) + torch.finfo(x.dtype).tiny
    if x.shape[1] <= x.shape[0]:
        system = x.T @ x
        system.diagonal().add_(penalty)
        return Affine(offset, torch.linalg.solve(system, x.T @ y).contiguous(), centre)
    system = x @ x.T
    system.diagonal().add_(penalty)
    return Affine(offset, (x.T @ torch.linalg.solve(system, y)).contiguous(), centre)


def _whitening(square: Tensor) -> Tensor:
    """The inverse square root of (d, d), scaled so that its root mean square eigenvalue is 1."""
    damped = square.clone()
    damped.diagonal().add_(DAMPING * damped.diagonal().mean() + torch.finfo(torch.float64).tiny)
    values, vectors = torch.linalg.eigh(damped)
    root = (vectors * values.rsqrt()) @ vectors.T
    return (root / (root.norm() / len(root) ** 0.5)).float().contiguous()


def init_codes_of(
    config: InversionConfig,
    prior: Prior,
    ids: Tensor,
    seed: int,
    restart: int = 0,
    predictor: Predictor | None = None,
    seen: Tensor | None = None,
    labels: Tensor | None = None,
) -> Tensor:
    """Where each image's search starts, (n, d): it depends only on the seed, the image, its id and label."""
    if config.init_codes in PREDICTED and restart == 0:
        assert predictor is not None
        assert seen is not None
        found = predictor(seen, ids, labels)
        return found.clamp(-1, 1) if prior.support == "box" else found
    rows = []
    for each in ids.tolist():
        random = Stream.INIT_CODES.generator(seed, each, restart)
        if config.init_codes == "small-normal" and restart == 0:
            rows.append(torch.randn(1, prior.latent_dim, generator=random) * NEAR_ZERO)
        else:
            rows.append(prior.sample(1, random))
    return torch.cat(rows).to(ids.device) if rows else torch.zeros(0, prior.latent_dim, device=ids.device)
