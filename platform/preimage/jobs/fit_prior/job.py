"""fit-prior: a distribution fitted to the codes of a latent store, to draw others from."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.fit_prior.figures import Curves, curves_png, marginals_png
from preimage.jobs.references import StoreRef
from preimage.jobs.sampling import draw_codes
from preimage.latents.fitting import fit_prior
from preimage.latents.held_out import Split, likelihood
from preimage.latents.prior_kinds import PRIOR_KINDS, FittedPrior
from preimage.latents.store import Store
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE, fit_agreement
from preimage.models.prior_folder import save_prior
from preimage.own_settings import OwnSettings, own_settings, with_own_settings

SAMPLE = 10_000
"""Codes that the figure shows."""


def _add_kinds(schema: dict[str, Any]) -> None:
    kinds, _ = PRIOR_KINDS.working()
    fitted = {name: kind.settings for name, kind in kinds.items() if kind.fit}
    schema["properties"]["kind"]["enum"] = list(fitted)
    with_own_settings(schema, "kind", "settings", fitted)


class FitPriorJob(Job):
    """Fit a prior to the codes of a latent store, taken as they are: on no ball."""

    makes: ClassVar[frozenset[str]] = frozenset({"prior"})

    model_config = ConfigDict(json_schema_extra=_add_kinds)

    told_apart_by: ClassVar[Mapping[str, str]] = {"kind": ""}

    job: Literal["fit-prior"] = "fit-prior"
    store: StoreRef
    """An earlier step, a run's name or a latent store's folder."""
    kind: Annotated[str, PRIOR_KINDS]
    """`diagonal`: independent normal components. `box`: uniform between each component's extremes.
    `gaussian`: one with the full covariance. `mixture`: several such. Or a plugin's."""
    settings: OwnSettings = None
    """Those of the kind: `components` and more of a mixture."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The fraction of the images whose codes are kept from the fit, chosen by image_id alone."""

    @field_validator("kind")
    @classmethod
    def _is_fitted_here(cls, kind: str) -> str:
        if not PRIOR_KINDS[kind].fit:
            raise ValueError(f"{kind} is fitted by the job {PRIOR_KINDS[kind].fitted_by}: run that")
        return kind

    @field_validator("settings", mode="before")
    @classmethod
    def _settings_of_the_kind(cls, given: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("kind")
        return own_settings(kind, PRIOR_KINDS[kind].settings, given) if kind else None

    def metrics(self) -> Metrics:
        """A likelihood or a PAG is null where there is none. Codes of images that diverged are
        `codes_skipped`; `passes` over the codes are of a fit that reports them."""
        return (
            *headline("held_out_log_likelihood", "training_log_likelihood", "codes"),
            *others("held_out_outside", "codes_held_out", "codes_skipped", "latent_dim", "std"),
            *others(IN_SAMPLE, HELD_OUT),
            *others("passes", may_be_absent=True),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        passes = PRIOR_KINDS[self.kind].passes(self.settings)
        several = {"passes over the codes at most": passes} if passes > 1 else {}
        return several if images is None else {"codes": images, **several}

    def run(self, context: Context) -> Result:
        """Stream the store, leave the prior, and measure how likely it makes held-out and training codes.

        Skips images that diverged; a killed run starts again, and takes the same steps. Raises PreimageError
        for codes that the kind cannot be fitted to.
        """
        split = Split(Store.open(context.inputs["store"]), self.held_out)
        curves: Curves = {}
        prior = _fit(self, context, split, curves)
        agreement = fit_agreement(prior, split)
        provenance = _provenance(self, context, split.store) | agreement
        save_prior(prior, context.run.product("prior"), provenance)
        sample = split.some(SAMPLE, held_out=False)
        drawn = draw_codes(prior, len(sample), self.seed)
        figures = {"marginals.png": marginals_png(sample, drawn, prior.name)}
        if curves:
            figures["fit.png"] = curves_png(curves, self.kind)
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
