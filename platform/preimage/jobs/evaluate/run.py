"""evaluate: how it runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from preimage.jobs.base import Context, Result
from preimage.jobs.compatibility import require_classes
from preimage.jobs.evaluate.evaluate import Evaluator, draw
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.jobs.evaluate.real_images import ceiling_images, require_shape, training_images
from preimage.jobs.evaluate.report import EvaluateReport
from preimage.jobs.evaluate.score_shards import ImageSet, PieceScorer, ScoringTask, rows_of, samples_of
from preimage.jobs.published import TRAINING
from preimage.models.cards import read_prior_card
from preimage.models.scorer import Scorer, ScorerSource
from preimage.storage.folder import Folder
from preimage.work.pieces import run_pieces


def run(job: EvaluateJob, context: Context) -> Result:
    """Score what is missing, work out the metrics, and draw them.

    Raises ClassifierError, GeneratorError or DataError where networks and images do not belong together.
    """
    generators = _generators(job, context)
    source, data = _source(job, context), training_images(generators, job.data)
    require_shape(source, data)
    scorer, dataset = source.open(context.resources.device()), context.dataset(data)
    require_classes(scorer.classes, dataset)
    training = rows_of(TRAINING, dataset, job.images)
    test, remarks = ceiling_images(dataset, job.test, job.images, scorer, context)
    real = {each.name: each for each in (test, training) if each}
    samples = {name: _samples(job, name, folders, context) for name, folders in generators.items()}
    drawn = [each for runs in samples.values() for each in runs]
    task = _task(job, context, source, scorer, [each for each in (training, test, *drawn) if each])
    pieces = range(len(task.places))
    progress = context.progress("scoring images")
    for _ in run_pieces(PieceScorer(task), pieces, context.resources, progress, context.run.system):
        pass
    evaluator = Evaluator(task, training, job.splits, job.images // job.splits)
    report = EvaluateReport(
        real={name: evaluator.evaluate(each) for name, each in real.items()},
        runs={name: [evaluator.evaluate(each) for each in runs] for name, runs in samples.items()},
        scorer=scorer,
        dataset=dataset,
        remarks=(*remarks, *_drawn_from(samples)),
    )
    return Result(report.metrics(), draw(report, task, real, samples), report.table())


def _generators(job: EvaluateJob, context: Context) -> dict[str, list[Folder]]:
    """The generators' folders, by name."""
    return {
        name: [context.inputs[f"generators.{name}.{i}"] for i in range(len(runs))]
        for name, runs in job.generators.items()
    }


def _source(job: EvaluateJob, context: Context) -> ScorerSource:
    """Addresses that mean the same wherever a worker starts."""
    weights = str(Path(job.weights).expanduser().absolute()) if job.weights else None
    return ScorerSource(context.inputs.get("classifier"), weights)


def _samples(job: EvaluateJob, name: str, folders: Sequence[Folder], context: Context) -> list[ImageSet]:
    """Samples of each generator of a name, labelled for messages and figures."""
    many, found = len(folders), []
    for i, folder in enumerate(folders):
        label = f"{name}, {i + 1} of {many}" if many > 1 else name
        prior = context.inputs.get(job.prior_of(name, i) or "")
        found.append(samples_of(label, folder, job.images, prior))
    return found


def _task(
    job: EvaluateJob, context: Context, source: ScorerSource, scorer: Scorer, sets: Sequence[ImageSet]
) -> ScoringTask:
    """Sets with the same images are scored once."""
    return ScoringTask(
        sets=tuple({each.key: each for each in sets}.values()),
        source=source,
        folder=context.run.folder / "pieces" / scorer.fingerprint[:16],
        chunk=job.chunk,
        seed=job.seed,
    )


def _drawn_from(samples: Mapping[str, Sequence[ImageSet]]) -> Iterator[str]:
    """What the table says of the lines whose codes are not drawn from their generators' own priors."""
    for name, sets in samples.items():
        if kinds := dict.fromkeys(read_prior_card(each.prior).kind for each in sets if each.prior):
            yield f"{name}: codes drawn from a fitted prior ({', '.join(kinds)}), not the generator's own."
