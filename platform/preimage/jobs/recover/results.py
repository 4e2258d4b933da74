"""How the searches of a `recover` job ended, in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import torch
from torch import Tensor

from preimage.inversion.constraints import EDGE
from preimage.jobs.recover.metrics import REASONS
from preimage.jobs.sampling import draw_codes
from preimage.latents.priors import Prior
from preimage.work.trials import Results

MOST = 0.95
"""The share of codes that a budget is for."""


@dataclass(frozen=True)
class RecoveredCodes:
    """How searches for known codes ended. One that diverged recovers no code and is skipped in the errors."""

    success: Mapping[float, float]
    """By threshold, the fraction of codes whose squared error, averaged over components, is below it."""
    error: float
    """The mean of these errors."""
    median: float
    evaluations: float
    """Generator evaluations a code, including its share of those spent on setting up."""
    diverged: int
    budget: float | None = None
    """The evaluations a code with which `MOST` of the codes are recovered at the first threshold; None where
    fewer are at all."""
    missed: int = 0
    """Codes not recovered at the first threshold."""
    at_bounds: int = 0
    """Of these, the codes found with a component at -1 or 1 (section 2)."""
    components_at_bounds: float = 0.0
    """How many such components a code has that was not recovered; 0 if all were."""
    reasons: Mapping[str, int] | None = None
    """Why they were not recovered, by `REASONS`; None where nobody asked."""


@dataclass(frozen=True)
class Distances:
    """How searches for unseen images ended, many for each. Distances and errors skip one that diverged."""

    mean: float
    """Of |z - z'| / d over pairs of codes of one image. The paper divides the norm by d, not its square."""
    median: float
    image_error: float
    """Squared error per pixel, averaged over the searches."""
    evaluations: float
    diverged: int


def recovered_codes(found: Results, codes: Tensor, thresholds: Sequence[float]) -> RecoveredCodes:
    """How the searches for the first of these codes (N, d) ended."""
    fine = ~found["diverged"].bool()
    errors = (found["z"] - codes[: len(fine)]).double().square().mean(1)
    missed = ~((errors < thresholds[0]) & fine)
    bounds = (found["z"][missed].abs() >= EDGE).sum(1)
    reasons = None
    if "reason" in found:
        counts = found["reason"][missed].bincount(minlength=len(REASONS)).tolist()
        reasons = dict(zip(REASONS, counts, strict=True))
    return RecoveredCodes(
        success={each: ((errors < each) & fine).double().mean().item() for each in thresholds},
        error=errors[fine].mean().item(),
        median=errors[fine].median().item(),
        evaluations=_evaluations(found),
        diverged=int((~fine).sum()),
        budget=budget(found["passes"] + found["setup"].sum() / len(fine), ~missed),
        missed=int(missed.sum()),
        at_bounds=int((bounds > 0).sum()),
        components_at_bounds=bounds.double().mean().item() if len(bounds) else 0.0,
        reasons=reasons,
    )


def distances(found: Results, repeats: int) -> Distances:
    """How searches for images ended, `repeats` of each image in turn."""
    fine = ~found["diverged"].bool()
    latent_dim = found["z"].shape[1]
    of_images = zip(found["z"].double().split(repeats), fine.split(repeats), strict=True)
    pairs = torch.cat([torch.pdist(z[kept]) for z, kept in of_images]) / latent_dim
    return Distances(
        mean=pairs.mean().item(),
        median=pairs.median().item(),
        image_error=found["loss"][fine].double().mean().item(),
        evaluations=_evaluations(found),
        diverged=int((~fine).sum()),
    )


def budget(evaluations: Tensor, recovered: Tensor) -> float | None:
    """The least number that the evaluations (n,) of `MOST` of the codes do not exceed, if these are recovered
    (n,) bool; None where fewer are."""
    needed = evaluations.double().masked_fill(~recovered, torch.inf).sort().values
    found = needed[ceil(MOST * len(needed)) - 1].item()
    return found if isfinite(found) else None


def baseline(prior: Prior, seed: int) -> float:
    """The mean of |z - z'| / d over pairs of codes drawn from the prior."""
    return (torch.pdist(draw_codes(prior, 1000, seed)).mean() / prior.latent_dim).item()


def _evaluations(found: Results) -> float:
    return (int(found["passes"].sum()) + int(found["setup"].sum())) / len(found["passes"])
