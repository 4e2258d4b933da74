"""fit-prior: a distribution fitted to the codes of a latent store, to draw others from."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.references import StoreRef
from preimage.latents.prior_kinds import PRIOR_KINDS
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE
from preimage.own_settings import OwnSettings, own_settings, with_own_settings


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
        from preimage.jobs.fit_prior.run import run

        return run(self, context)
