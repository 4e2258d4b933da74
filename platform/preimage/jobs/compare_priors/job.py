"""compare-priors: how near several priors come to the codes of images that none of them was fitted to."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from preimage.config import PositiveInt
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compare_priors.report import (
    DISTANCES,
    LIKELIHOODS,
    TRAINING,
)
from preimage.jobs.references import PriorRef, StoreRef
from preimage.jobs.row_names import require_plain

FixedPrior = Literal["normal", "uniform"]
AnyPrior = Annotated[FixedPrior | PriorRef, Field(union_mode="left_to_right")]


class ComparePriorsJob(Job):
    """Compare priors by how likely they make held-out codes, and how far their draws are from these."""

    job: Literal["compare-priors"] = "compare-priors"
    store: StoreRef
    """The codes that the fitted priors were fitted to: an earlier step, a run's name or a store's folder."""
    priors: Annotated[dict[str, AnyPrior], Field(min_length=1)]
    """Names for the table, each with the step, run or folder that leaves a fitted prior. `normal` and
    `uniform` are the fixed priors of these names, never a step or a run."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The fraction of the images, chosen by image_id alone; each prior held out that much or more."""
    draws: Annotated[int, Field(ge=2)] = 5000
    """Held-out codes to compare with, at most; as many codes are drawn from each prior."""
    repeats: PositiveInt = 5
    """How often codes are drawn from each prior."""

    @field_validator("priors")
    @classmethod
    def _names_are_plain(cls, priors: dict[str, AnyPrior]) -> dict[str, AnyPrior]:
        require_plain(priors, "a prior")
        if TRAINING in priors:
            raise ValueError(f"{TRAINING!r} is a row of its own in the table: give the prior another name")
        return priors

    def metrics(self) -> Metrics:
        """`nearest` and `likeliest` name a prior. A likelihood is null where there is none."""
        likelihoods = [f"{each}.{name}" for each in LIKELIHOODS for name in self.priors]
        distances = [f"{each}.{name}" for each in DISTANCES for name in (*self.priors, TRAINING)]
        names = headline("nearest", "likeliest", is_text=True)
        return (*names, *others("codes", "repeats", *likelihoods, *distances))

    def cost(self, images: int | None) -> dict[str, int]:
        return {"codes drawn at most": self.draws * self.repeats * len(self.priors)}

    def run(self, context: Context) -> Result:
        from preimage.jobs.compare_priors.run import run

        return run(self, context)
