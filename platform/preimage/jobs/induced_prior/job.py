"""induced-prior: what a prior of a generator's own codes made of it (flexible-priors, section 4.4)."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from preimage.data.config import DataConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compatibility import images_for, require_classes, require_codes_of
from preimage.jobs.induced_prior.figures import StagePanel, induced_png
from preimage.jobs.induced_prior.report import STAGE_METRICS, InducedPriorReport, Stage
from preimage.jobs.references import ClassifierRef, GeneratorRef, StoreRef
from preimage.jobs.sampling import draw_codes, make_images
from preimage.latents.priors import Normal
from preimage.latents.store import Store
from preimage.latents.tally import Tally
from preimage.metrics.pag import store_pag
from preimage.models.generator_folder import load_generator, load_prior, read_card
from preimage.models.scorer import ScorerSource
from preimage.storage.folder import Folder
from preimage.training.scoring import SCORES, Evaluator, Scoring
from preimage.training.worker import Worker

SHOWN = 64
"""Samples of each generator in the figure."""

NORMS = 10_000
"""Codes of a prior whose norms are averaged."""

CONTROL = "control"
"""The name of the control among the stages."""


class InducedPriorJob(Job):
    """Compare a generator before and after it learned with a prior fitted to its own codes."""

    job: Literal["induced-prior"] = "induced-prior"
    generators: Annotated[tuple[GeneratorRef, ...], Field(min_length=1)]
    """The first one, and what each round made of it: steps, runs or folders."""
    stores: Annotated[tuple[StoreRef, ...], Field(min_length=1)]
    """The codes of the same images for each generator: steps, runs or folders."""
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

    @property
    def rounds(self) -> int:
        return len(self.generators) - 1

    @property
    def stages(self) -> dict[str, tuple[str, str]]:
        """The keys of each stage's generator and store, by the stage's name."""
        named = {
            "before" if i == 0 else f"round {i}": (f"generators.{i}", f"stores.{i}")
            for i in range(len(self.generators))
        }
        return named | {CONTROL: ("control", "control_store")} if self.control else named

    def metrics(self) -> Metrics:
        """`before` the first round and `after` the last; all stages, with their scores, under `stages`."""
        scores = SCORES["classifier"] if self.classifier else ()
        of_stages = [f"stages.{stage}.{each}" for stage in self.stages for each in (*STAGE_METRICS, *scores)]
        priors = [f"stages.{stage}.prior" for stage in self.stages]
        return (
            *headline("pag_before", "pag_after", "pag_normal_before", "pag_normal_after"),
            *(headline("score_before", "score_after") if self.classifier else ()),
            *others("rounds", *of_stages),
            *others(*priors, is_text=True),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        return {"samples made": len(self.stages) * (self.images if self.classifier else SHOWN)}

    def run(self, context: Context) -> Result:
        """Measure every stage; return one figure and one table.

        Raises StoreError where a store holds codes of another generator.
        """
        products = {
            name: StageProducts(context.inputs[generator], Store.open(context.inputs[store]))
            for name, (generator, store) in self.stages.items()
        }
        for each in products.values():
            require_codes_of(read_card(each.generator), each.store)
        evaluator = _evaluator(self, context, products["before"].generator) if self.classifier else None
        stages = [_measure(name, each, evaluator) for name, each in products.items()]
        panels = [_panel(each, products[each.name].generator, self.seed) for each in stages]
        report = InducedPriorReport(stages, self.rounds, _images_of(products["before"].generator))
        return Result(report.metrics(), {"induced.png": induced_png(panels)}, report.table())


class StageProducts(NamedTuple):
    """What a stage left."""

    generator: Folder
    store: Store


def _images_of(generator: Folder) -> DataConfig | None:
    data = read_card(generator).training.get("data")
    return DataConfig.model_validate(data) if data else None


def _evaluator(job: InducedPriorJob, context: Context, generator: Folder) -> Evaluator:
    source = ScorerSource(context.inputs["classifier"])
    dataset = context.dataset(images_for(read_card(generator), None))
    worker = Worker(device=context.resources.device())
    require_classes(source.open(worker.device).classes, dataset)
    real = dataset.read(0, min(job.images, dataset.count))
    return Evaluator(worker, Scoring(source, job.images), real, 0, job.seed)


def _measure(name: str, products: StageProducts, evaluator: Evaluator | None) -> Stage:
    generator, card = load_generator(products.generator)
    prior = load_prior(products.generator, card)
    normal = store_pag(products.store, std=1.0)
    own = normal if isinstance(prior, Normal) else store_pag(products.store, prior=prior)
    scores = evaluator.of(generator.to(evaluator.worker.device), prior) if evaluator else {}
    norm = draw_codes(prior, NORMS, 0).square().sum(1).mean().sqrt().item()
    return Stage(name, prior.name, own, normal, norm, Tally.of(products.store).loss_mean, scores)


def _panel(stage: Stage, folder: Folder, seed: int) -> StagePanel:
    """With samples of the prior that the generator was trained with."""
    generator, card = load_generator(folder)
    return StagePanel(
        title=_title(stage),
        samples=make_images(generator, draw_codes(load_prior(folder, card), SHOWN, seed)),
        singular_values=stage.normal.singular_values.numpy() / stage.normal.count**0.5,
        name=stage.name,
    )


def _title(stage: Stage) -> str:
    score = "" if stage.score is None else f", score {stage.score:.2f}"
    return f"{stage.name}: {stage.prior} prior\nPAG {stage.pag.pag:.3g}{score}"
