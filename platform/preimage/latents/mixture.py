"""A mixture of Gaussians with full covariances, and its fit to streamed codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.errors import PreimageError
from preimage.float32 import float32_products
from preimage.latents.built_in_priors import MixtureSettings
from preimage.latents.prior_kinds import CodeStream, Report, TrainingCodes
from preimage.latents.priors import ROUNDING, NoDensityError, Support, log_normal, require_volume
from preimage.latents.statistics import Moments
from preimage.random_streams import Stream

Watch = Callable[[int, float], None]
"""Called after each pass with its number and the mean log-likelihood of a code before it, in nats."""

SAMPLE = 10_000
"""Codes from which the first means are drawn."""
FLOOR = 1e-2
"""The minimum variance of a Gaussian in any direction, as a fraction of all codes' variance in it.

A Gaussian of fewer codes than dimensions would be flat, and its likelihood infinite: this floor keeps a tenth
of the width that all codes have there. Little depends on it: with ten Gaussians, 1e-3 and 1e-1 make held-out
codes of digits equally likely to within 0.3 nats. Clipping eigenvalues is the exact maximum under this
constraint (Ingrassia 2004), so the likelihood never falls, as it may when something is added to the diagonal.
"""


@dataclass(frozen=True, eq=False)
class Mixture:
    """sum_k weights_k N(means_k, roots_k roots_k^T).

    weights: (K,), means: (K, d), roots: (K, d, d) lower triangular; all of one dtype.
    """

    weights: Tensor
    means: Tensor
    roots: Tensor
    name: str = "mixture"
    support: Support = "anywhere"

    @property
    def latent_dim(self) -> int:
        return self.means.shape[1]

    @property
    def std(self) -> float:
        """The root of the mean variance of a component, about the mixture's mean."""
        weights, away = self.weights, self.means - self.weights @ self.means
        total = weights @ (self.roots.square().sum((1, 2)) + away.square().sum(1))
        return math.sqrt(total.item() / self.latent_dim)

    @float32_products("ieee")
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        device, shape = generator.device, (count, self.latent_dim)
        which = torch.multinomial(self.weights.to(device), count, replacement=True, generator=generator)
        codes = torch.randn(shape, generator=generator, device=device)
        means, roots = (each.to(device, codes.dtype) for each in (self.means, self.roots))
        for k, (mean, root) in enumerate(zip(means, roots, strict=True)):
            codes[which == k] = mean + codes[which == k] @ root.T
        return codes

    def log_density(self, z: Tensor) -> Tensor:
        return self.log_joint(z).logsumexp(1)

    def log_joint(self, z: Tensor) -> Tensor:
        """(n, K) float64: the logarithm of weights_k N(z; means_k, ...) at codes z (n, d)."""
        exact, each = z.double(), []
        for weight, mean, root in zip(
            *(part.to(z.device, torch.float64) for part in self._parts), strict=True
        ):
            white = torch.linalg.solve_triangular(root, (exact - mean).T, upper=False).T
            each.append(weight.log() + log_normal(white) - root.diagonal().log().sum())
        return torch.stack(each, 1)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.weights, self.means, self.roots

    def tensors(self) -> dict[str, Tensor]:
        return {"weights": self.weights, "means": self.means, "roots": self.roots}


def fit_mixture(
    codes: CodeStream,
    sample: Tensor,
    components: int,
    seed: int = 0,
    passes: int = 100,
    tolerance: float = 1e-3,
    watch: Watch = lambda done, likelihood: None,
) -> Mixture:
    """Fit `components` Gaussians by expectation-maximisation (Dempster et al. 1977); float32.

    One pass over the codes for their moments and one per iteration: only sums are kept. Stops when the mean
    log-likelihood of a code rises by less than `tolerance` nats, or after `passes`. Works in coordinates in
    which the codes have mean 0 and covariance I, so that neither their scale nor correlations matter.
    sample: some of the codes (m, d), from which the first means are drawn.
    Raises PreimageError for codes that do not span their dimensions, and for fewer distinct codes than
    `components`.
    """
    moments = Moments.empty(sample.shape[1])
    for z in codes():
        moments = moments.update(z)
    frame = Frame.of(moments)
    initial = start(frame.inward(sample), components, Stream.MIXTURE.generator(seed))
    found = improve(
        initial,
        lambda: map(frame.inward, codes()),
        FLOOR,
        passes,
        tolerance,
        lambda done, likelihood: watch(done, likelihood - frame.log_volume),
    )
    return frame.outward(found)


def improve(
    found: Mixture,
    codes: CodeStream,
    floor: float,
    passes: int,
    tolerance: float,
    watch: Watch = lambda done, likelihood: None,
) -> Mixture:
    """Iterate as in `fit_mixture`, from a float64 mixture; no eigenvalue of a covariance is below `floor`."""
    before = -math.inf
    for done in range(1, passes + 1):
        sums = Sums.empty(*found.means.shape)
        for z in codes():
            sums = sums.update(found, z)
        found, reached = sums.maximum(floor), sums.likelihood / sums.count
        watch(done, reached)
        if reached - before < tolerance:
            break
        before = reached
    return found


def start(z: Tensor, components: int, random: torch.Generator) -> Mixture:
    """An initial mixture of equal, round Gaussians, as wide as codes are far from the nearest mean.

    The means are among codes z (m, d). Each step draws a few, with probability proportional to their squared
    distance from the means so far, and takes the one that leaves the smallest sum of these distances (greedy
    k-means++, Arthur and Vassilvitskii 2007). Raises PreimageError for too few codes.
    """
    z = z.double()
    means = z[torch.randint(len(z), (1,), generator=random)]
    squares = _squares(z, means)[0]
    while len(means) < components:
        if not squares.any():
            raise PreimageError(
                f"{components} Gaussians need as many distinct codes but got {len(means)}: "
                "ask for fewer components"
            )
        drawn = z[
            torch.multinomial(squares, 2 + int(math.log(components)), replacement=True, generator=random)
        ]
        left = torch.minimum(squares, _squares(z, drawn))
        best = left.sum(1).argmin()
        means, squares = torch.cat([means, drawn[best, None]]), left[best]
    width = (squares.mean() / z.shape[1]).clamp_min(FLOOR).sqrt()
    roots = width * torch.eye(z.shape[1], dtype=z.dtype).expand(components, -1, -1)
    return Mixture(torch.full((components,), 1 / components, dtype=z.dtype), means, roots)


def _squares(z: Tensor, means: Tensor) -> Tensor:
    """(k, m): the squared distances of means (k, d) from codes z (m, d)."""
    return torch.cdist(means, z, compute_mode="donot_use_mm_for_euclid_dist").square()


@dataclass(frozen=True)
class Sums:
    """The sums of one pass over the codes, in float64; r_ik is the responsibility of Gaussian k for code i.

    counts: (K,), sum_i r_ik. totals: (K, d), sum_i r_ik z_i. grams: (K, d, d), sum_i r_ik z_i z_i^T.
    """

    count: int
    likelihood: float
    """Summed over the codes, in nats."""
    counts: Tensor
    totals: Tensor
    grams: Tensor

    @classmethod
    def empty(cls, components: int, latent_dim: int) -> Sums:
        shape = (components, latent_dim, latent_dim)
        return cls(0, 0.0, *(torch.zeros(shape[:order], dtype=torch.float64) for order in (1, 2, 3)))

    def update(self, mixture: Mixture, z: Tensor) -> Sums:
        """Add codes z (n, d), with the responsibilities of a mixture's Gaussians."""
        z, joint = z.double(), mixture.log_joint(z)
        density = joint.logsumexp(1)
        responsibilities = (joint - density[:, None]).exp()
        return Sums(
            self.count + len(z),
            self.likelihood + density.sum().item(),
            self.counts + responsibilities.sum(0),
            self.totals + responsibilities.T @ z,
            self.grams + torch.stack([(z * each[:, None]).T @ z for each in responsibilities.T]),
        )

    def maximum(self, floor: float) -> Mixture:
        """The likeliest mixture, with no eigenvalue below `floor`. A Gaussian without codes has weight 0."""
        counts = self.counts.clamp_min(torch.finfo(torch.float64).tiny)
        means = self.totals / counts[:, None]
        covariances = self.grams / counts[:, None, None] - means[:, :, None] * means[:, None, :]
        values, vectors = torch.linalg.eigh(covariances)
        clipped = vectors * values.clamp_min(floor)[:, None, :] @ vectors.mT
        return Mixture(self.counts / self.count, means, torch.linalg.cholesky(clipped))


@dataclass(frozen=True)
class Frame:
    """Coordinates in which codes have mean 0 and covariance I."""

    mean: Tensor
    """(d,) float64."""
    root: Tensor
    """(d, d) float64, lower triangular: the Cholesky factor of the codes' covariance."""

    @classmethod
    def of(cls, moments: Moments) -> Frame:
        """Raises PreimageError for codes that do not span their dimensions."""
        covariance = moments.covariance
        lengths = torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt()
        try:
            require_volume(lengths, ROUNDING * len(lengths) * lengths.max())
        except NoDensityError as error:
            raise PreimageError(
                f"cannot fit a mixture: {error}; fit a gaussian, which may be flat, or a diagonal"
            ) from error
        return cls(moments.mean, torch.linalg.cholesky(covariance))

    @property
    def log_volume(self) -> float:
        """How much a log density is higher in these coordinates than in the codes' own."""
        return self.root.diagonal().log().sum().item()

    def inward(self, z: Tensor) -> Tensor:
        """Codes z (n, d) in these coordinates, (n, d) float64 on the CPU."""
        away = z.cpu().double() - self.mean
        return torch.linalg.solve_triangular(self.root, away.T, upper=False).T

    def outward(self, mixture: Mixture) -> Mixture:
        """A mixture from these coordinates, in the codes' own; float32."""
        means = self.mean + mixture.means @ self.root.T
        return Mixture(mixture.weights.float(), means.float(), (self.root @ mixture.roots).float())


def fit_with_settings(codes: TrainingCodes, settings: MixtureSettings, seed: int, report: Report) -> Mixture:
    most = settings.max_iterations * codes.count

    def watch(done: int, likelihood: float) -> None:
        report(done * codes.count, most, {"log_likelihood": likelihood})

    sample = codes.some(SAMPLE)
    return fit_mixture(
        codes, sample, settings.components, seed, settings.max_iterations, settings.tolerance, watch
    )


def rebuild_mixture(tensors: dict[str, Tensor]) -> Mixture:
    weights, means, roots = tensors["weights"], tensors["means"], tensors["roots"]
    count, dim = means.shape
    if weights.shape != (count,) or roots.shape != (count, dim, dim):
        raise ValueError(
            f"weights {tuple(weights.shape)}, means {tuple(means.shape)} and roots {tuple(roots.shape)} "
            "do not match"
        )
    return Mixture(weights, means, roots)
