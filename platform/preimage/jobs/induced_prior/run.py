"""induced-prior: how it runs."""

from collections.abc import Sequence

from preimage.jobs.base import Context, Result
from preimage.jobs.compatibility import images_for, require_classes, trained_on
from preimage.jobs.induced_prior.figures import StagePanel, induced_png
from preimage.jobs.induced_prior.job import SHOWN, InducedPriorJob
from preimage.jobs.induced_prior.report import (
    InducedPriorReport,
    Stage,
)
from preimage.jobs.induced_prior.stages import StageProducts, held_out_by_all, measure, require_belonging
from preimage.latents.store import Store
from preimage.models.cards import read_card
from preimage.models.scorer import ScorerSource
from preimage.storage.folder import Folder
from preimage.training.scoring import Evaluator, Scoring
from preimage.training.worker import Worker


def run(job: InducedPriorJob, context: Context) -> Result:
    """Measure every stage; return one figure and one table.

    Raises StoreError or PriorError where generators, codes, images and priors do not belong together.
    """
    inputs = context.inputs
    stages = [
        StageProducts(
            name,
            inputs[keys.generator],
            Store.open(inputs[keys.store]),
            inputs[keys.prior] if keys.prior else None,
        )
        for name, keys in job.stages.items()
    ]
    require_belonging(stages, [inputs[f"generators.{i}"] for i in range(len(job.generators))])
    first = stages[0].generator
    evaluator = _evaluator(job, context, first) if job.classifier else None
    held_out = held_out_by_all(stages)
    measured = [measure(each, held_out, evaluator) for each in stages]
    images = trained_on(read_card(first))
    report = InducedPriorReport(measured, job.rounds, stages[0].store.latent_dim, images)
    figure = induced_png(_panels(measured, stages, job.seed))
    return Result(report.metrics(), {"induced.png": figure}, report.table())


def _evaluator(job: InducedPriorJob, context: Context, generator: Folder) -> Evaluator:
    source = ScorerSource(context.inputs["classifier"])
    dataset = context.dataset(images_for(read_card(generator), None))
    worker = Worker(device=context.resources.device())
    require_classes(source.open(worker.device).classes, dataset)
    real = dataset.read(0, min(job.images, dataset.count))
    return Evaluator(worker, Scoring(source, job.images), real, 0, job.seed)


def _panels(measured: Sequence[Stage], stages: Sequence[StageProducts], seed: int) -> list[StagePanel]:
    return [
        StagePanel(
            title=_title(stage),
            samples=products.samples(SHOWN, seed),
            singular_values=stage.normal.singular_values.numpy() / stage.normal.count**0.5,
            name=stage.name,
            own_codes=not stage.learned,
        )
        for stage, products in zip(measured, stages, strict=True)
    ]


def _title(stage: Stage) -> str:
    score = "" if stage.score is None else f", score {stage.score:.2f}"
    found, of = (stage.held_out, " (held out)") if stage.held_out else (stage.pag, "")
    return f"{stage.name}\n{stage.prior} prior\nPAG{of} {found.pag:.3g}{score}"
