"""fit-prior: how it runs."""

from collections.abc import Mapping
from typing import Any

from preimage.jobs.base import Context, Result
from preimage.jobs.fit_prior.figures import Curves, curves_png, marginals_png
from preimage.jobs.fit_prior.job import FitPriorJob
from preimage.jobs.sampling import draw_codes
from preimage.latents.fitting import fit_prior
from preimage.latents.held_out import Split, likelihood
from preimage.latents.prior_kinds import FittedPrior
from preimage.latents.store import Store
from preimage.metrics.pag_of_fit import fit_agreement
from preimage.models.prior_folder import save_prior

SAMPLE = 10_000
"""Codes that the figure shows."""


def run(job: FitPriorJob, context: Context) -> Result:
    """Stream the store, leave the prior, and measure how likely it makes held-out and training codes.

    Skips images that diverged; a killed run starts again, and takes the same steps. Raises PreimageError
    for codes that the kind cannot be fitted to.
    """
    split = Split(Store.open(context.inputs["store"]), job.held_out)
    curves: Curves = {}
    prior = _fit(job, context, split, curves)
    agreement = fit_agreement(prior, split)
    provenance = _provenance(job, context, split.store) | agreement
    save_prior(prior, context.run.product("prior"), provenance)
    sample = split.some(SAMPLE, held_out=False)
    drawn = draw_codes(prior, len(sample), job.seed)
    figures = {"marginals.png": marginals_png(sample, drawn, prior.name)}
    if curves:
        figures["fit.png"] = curves_png(curves, job.kind)
    return Result(_measure(prior, split, curves) | agreement, figures)


def _provenance(job: FitPriorJob, context: Context, store: Store) -> dict[str, Any]:
    """Where the prior came from, for its card."""
    return {
        **context.provenance(job),
        "store": store.fingerprint,
        "generator": store.about.generator_fingerprint,
        "held_out": job.held_out,
    }


def _fit(job: FitPriorJob, context: Context, split: Split, curves: Curves) -> FittedPrior:
    """The prior; what its fit reports goes into the run and into `curves`."""
    advance = context.progress(f"fitting the {job.kind}")

    def report(seen: int, most: int, metrics: Mapping[str, float]) -> None:
        context.run.record(seen, dict(metrics))
        for name, value in metrics.items():
            curves.setdefault(name, []).append((seen, value))
        advance(seen, most)

    prior = fit_prior(job.kind, split.training_codes, job.settings, job.seed, report)
    advance(1, 1)
    return prior


def _measure(prior: FittedPrior, split: Split, curves: Curves) -> dict[str, Any]:
    training, held_out = (likelihood(prior, part) for part in (split.training(), split.held_out()))
    seen = max((points[-1][0] for points in curves.values()), default=0)
    return {
        "held_out_log_likelihood": held_out.mean,
        "training_log_likelihood": training.mean,
        "held_out_outside": held_out.outside,
        "codes": training.count,
        "codes_held_out": held_out.count,
        "codes_skipped": split.store.count - training.count - held_out.count,
        "latent_dim": prior.latent_dim,
        "std": prior.std,
        **({"passes": seen / training.count} if seen else {}),
    }
