"""induced-prior: what a prior of a generator's own codes made of it (flexible-priors, sections 3 and 4.4)."""

from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from preimage.data.catalog import Catalog
from preimage.errors import SpecError
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.induced_prior.report import (
    BEFORE,
    CONTROL,
    LEARNED,
    OF_THE_ENDS,
    STAGE_METRICS,
)
from preimage.jobs.references import ClassifierRef, GeneratorRef, PriorRef, StoreRef
from preimage.latents.store import Store
from preimage.training.metric_names import SCORES

SHOWN = 64
"""Samples of each stage in the figure."""


class StageKeys(NamedTuple):
    """The keys of what a stage takes."""

    generator: str
    store: str
    prior: str | None = None


class InducedPriorJob(Job):
    """Compare a generator before and after it learned with a prior fitted to its own codes, and with it
    unchanged, drawing its codes from that prior."""

    compares_stores: ClassVar[bool] = True
    job: Literal["induced-prior"] = "induced-prior"
    generators: Annotated[tuple[GeneratorRef, ...], Field(min_length=1)]
    """The first one, and what each round made of it: steps, runs or folders."""
    stores: Annotated[tuple[StoreRef, ...], Field(min_length=1)]
    """The codes of the same images for each generator: steps, runs or folders."""
    priors: tuple[PriorRef, ...] = ()
    """Each round's prior, fitted to the codes of the generator before that round: steps, runs or folders."""
    control: GeneratorRef | None = None
    """The first generator trained as long without another prior: what training alone does."""
    control_store: StoreRef | None = None
    """Its codes."""
    classifier: ClassifierRef | None = None
    """Score samples by it: an earlier step, a run's name or a classifier's folder."""
    images: Annotated[int, Field(ge=SHOWN)] = 10_000
    """Samples to score, and real images to compare them with."""

    @model_validator(mode="after")
    def _codes_of_each(self) -> "InducedPriorJob":
        if len(self.generators) != len(self.stores):
            raise ValueError(
                f"{len(self.generators)} generators and {len(self.stores)} stores: give the codes of each"
            )
        if (self.control is None) != (self.control_store is None):
            raise ValueError("control and control_store go together: give both or neither")
        return self

    def check(self, catalog: Catalog) -> None:
        """Refuse another number of priors than of rounds, once steps that stand for several are counted."""
        if len(self.priors) != self.rounds:
            raise SpecError(
                f"priors must name the prior of each of {self.rounds} rounds, but names {len(self.priors)}: "
                "generators begins with the one before them all"
            )

    def borrowed_priors(self) -> dict[str, str]:
        return {each.generator: each.prior for each in self.stages.values() if each.prior}

    @property
    def rounds(self) -> int:
        return len(self.generators) - 1

    @property
    def stages(self) -> dict[str, StageKeys]:
        """By name. A generator that a round follows has two: with its own prior, and with the round's."""
        named: dict[str, StageKeys] = {}
        for i in range(len(self.generators)):
            name, own = f"round {i}" if i else BEFORE, StageKeys(f"generators.{i}", f"stores.{i}")
            named[name] = own
            if i < self.rounds:
                named[name + LEARNED] = own._replace(prior=f"priors.{i}")
        return named | {CONTROL: StageKeys("control", "control_store")} if self.control else named

    def metrics(self) -> Metrics:
        """`before` the first round, and `after` the last; `learned_prior` is the generator before the last
        round, unchanged, with that round's prior. All stages, with their scores, are under `stages`. A PAG of
        held-out images is null where there are none, or too few."""
        ends = ("before", "learned_prior", "after") if self.rounds else ("before", "after")
        shown = (*OF_THE_ENDS, "score") if self.classifier else OF_THE_ENDS
        scores = SCORES["classifier"] if self.classifier else ()
        of_stages = [f"stages.{stage}.{each}" for stage in self.stages for each in (*STAGE_METRICS, *scores)]
        priors = [f"stages.{stage}.prior" for stage in self.stages]
        return (
            *headline(*(f"{metric}_{end}" for metric in shown for end in ends)),
            *others("rounds", "pag_by_chance", *of_stages),
            *others(*priors, is_text=True),
        )

    def check_store(self, store: Store) -> None:
        store.require_search()

    def cost(self, images: int | None) -> dict[str, int]:
        return {"samples made": len(self.stages) * (self.images if self.classifier else SHOWN)}

    def run(self, context: Context) -> Result:
        from preimage.jobs.induced_prior.run import run

        return run(self, context)
