"""PAG, the prior agreement of a generator's codes (flexible-priors, section 2.2)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from preimage.latents.priors import Prior, make_prior
from preimage.latents.statistics import Moments, store_moments
from preimage.metrics.prior_std import PagError, named_std
from preimage.random_streams import Stream

if TYPE_CHECKING:
    from preimage.latents.store import Store


DRAWS, CHUNK = 100_000, 10_000
"""Codes to measure a fitted prior's second moment on, and how many to draw at a time."""
NORMAL_CODES = 8192
"""Normal codes in memory at a time."""


@dataclass(frozen=True)
class PagResult:
    """Lower is better. Never compare `pag_raw` across counts: it grows with them."""

    pag: float
    """From singular values / sqrt(N): the divergence of the codes' Gaussian from the prior, in nats."""
    pag_raw: float
    """From the singular values themselves, as printed in the paper."""
    count: int
    singular_values: Tensor = field(repr=False)
    """(d,) float64, descending, of the uncentred N x d matrix of codes."""
    skipped: int = 0
    """Codes of diverged images; `count` counts the others."""


def pag(batches: Iterable[Tensor], std: float) -> PagResult:
    """PAG of streamed codes.

    batches: tensors (n, d) float32. std: of one component of the prior.
    Raises PagError for fewer codes than dimensions and for codes that do not span them.
    """
    moments: Moments | None = None
    for z in batches:
        moments = (moments or Moments.empty(z.shape[1])).update(z)
    if moments is None:
        raise PagError("PAG needs codes but got none")
    return pag_from_gram(moments.gram, moments.count, std)


def store_pag(store: Store, std: float | None = None, prior: Prior | None = None) -> PagResult:
    """PAG of a latent store against the prior it names, or N(0, std^2 I), or a fitted prior.

    Skips codes of diverged images. Raises PagError like `pag` for the rest.
    """
    if prior is None and std is None:
        std = named_std(store.about.prior, store.latent_dim)
    moments = store_moments(store)
    return replace(moments_pag(moments, std, prior), skipped=store.count - moments.count)


def moments_pag(moments: Moments, std: float | None, prior: Prior | None = None) -> PagResult:
    """PAG of codes with these moments against N(0, std^2 I) or a fitted prior. Raises PagError like `pag`."""
    gram = in_units_of(prior, moments.gram) if prior else moments.gram
    return pag_from_gram(gram, moments.count, std or 1.0)


def in_units_of(prior: Prior, gram: Tensor) -> Tensor:
    """The Gram matrix (d, d) of codes in coordinates in which the prior's second moment is the identity.

    In them eq. 2 is the divergence of the codes' Gaussian N(0, S) from the prior's N(0, S'), S and S' their
    uncentred second moments; for a prior N(0, std^2 I) it is unchanged. S' comes from 100,000 draws.
    Raises PagError for a prior whose codes do not span their dimensions.
    """
    root, info = torch.linalg.cholesky_ex(_second_moment(prior))
    if info.any():
        raise PagError(f"the codes of the {prior.name} prior do not span their dimensions: PAG is infinite")
    half = torch.linalg.solve_triangular(root, gram.double().cpu(), upper=False)
    return torch.linalg.solve_triangular(root, half.T, upper=False)


_MEASURED: deque[tuple[Prior, Tensor]] = deque(maxlen=4)
"""The last priors, which are measured against several sets, and their second moments; a prior of a user's own
may have no hash."""


def _second_moment(prior: Prior) -> Tensor:
    """The uncentred second moment (d, d) of a prior's codes."""
    for known, moment in _MEASURED:
        if known is prior:
            return moment
    random = Stream.PRIOR_MOMENTS.generator(0)
    drawn = (prior.sample(CHUNK, random) for _ in range(DRAWS // CHUNK))
    moments = Moments.empty(prior.latent_dim).plus(drawn)
    _MEASURED.append((prior, moments.gram / moments.count))
    return _MEASURED[-1][1]


def expected_pag(count: int, dim: int) -> float:
    """The expected PAG of `count` codes of d components that a prior N(0, S) itself makes: of chance alone,
    about d (d + 1) / (4 count). The Gram matrix is then Wishart's, with E log |S^-1 G| known."""
    freedom = (count - torch.arange(dim, dtype=torch.float64)) / 2
    return 0.5 * float((math.log(count / 2) - torch.digamma(freedom)).sum())


def pag_from_gram(gram: Tensor, count: int, std: float) -> PagResult:
    """PAG from the uncentred Gram matrix (d, d) float64 of `count` codes. Raises PagError like `pag`."""
    dim = len(gram)
    if count < dim:
        raise PagError(
            f"PAG needs at least as many codes as dimensions but got {count} codes of {dim} dimensions"
        )
    if not std > 0:
        raise PagError(f"the prior's std must be positive but got {std}")
    if not torch.isfinite(gram).all():
        raise PagError("the codes hold values that are not finite")
    squares = torch.linalg.eigvalsh(gram.double().cpu()).flip(0)  # v_i^2
    _check_rank(squares)
    return PagResult(
        pag=divergence(squares / count, std),
        pag_raw=divergence(squares, std),
        count=count,
        singular_values=squares.sqrt(),
    )


def divergence(variances: Tensor, std: float) -> float:
    """KL(N(0, diag variances) | N(0, std^2 I)) in nats, variances: (d,)."""
    ratio = variances / std**2
    return 0.5 * float((ratio - ratio.log() - 1).sum())  # flexible-priors, eq. 2


def normal_pag(latent_dim: int, count: int, seed: int) -> PagResult:
    """PAG of `count` codes drawn from N(0, I), against it: what chance alone gives."""
    random, prior = Stream.NORMAL_CODES.generator(seed), make_prior("normal", latent_dim)
    starts = range(0, count, NORMAL_CODES)
    return pag((prior.sample(min(NORMAL_CODES, count - start), random) for start in starts), std=1.0)


def _check_rank(squares: Tensor) -> None:
    """An eigenvalue below about d rounding errors of the largest one is noise."""
    noise = 8 * len(squares) * torch.finfo(torch.float64).eps * squares[0]
    if (spanned := int((squares > noise).sum())) < len(squares):
        raise PagError(
            f"the codes span {spanned} of {len(squares)} dimensions and PAG is infinite: "
            "some components are constant zero or copies of others"
        )
