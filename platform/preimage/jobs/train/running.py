"""What all training jobs share when they run: the run itself, and its metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.figures.grids import grid_png
from preimage.jobs.base import Context
from preimage.jobs.compatibility import require_classes
from preimage.jobs.references import references
from preimage.jobs.train.base import TrainGeneratorJob, TrainJob, TrainOnImagesJob
from preimage.jobs.train.scoring import ScoringConfig
from preimage.models.cards import GeneratorCard, read_card, read_classifier_card
from preimage.models.generator_folder import load_generator, load_prior
from preimage.models.scorer import ScorerSource
from preimage.random_streams import Stream
from preimage.runs.run_folder import Curves
from preimage.storage.folder import Folder
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.examples import Examples
from preimage.training.export import export_generator
from preimage.training.fit import fit
from preimage.training.loop import GRID
from preimage.training.networks import COLUMNS, fixed_samples
from preimage.training.scoring import Scoring
from preimage.training.training import Evaluation, Export, Training


@dataclass(frozen=True)
class Source:
    """What a training run learns from: images or codes."""

    folder: Folder
    about: dict[str, Any]
    """What the product's card records of it; its fingerprints determine the result."""
    open: Callable[[Folder], Examples] = Dataset.open


def train_on_images(
    job: TrainOnImagesJob,
    context: Context,
    build: Callable[[AlgorithmContext], Algorithm],
    export: Export = export_generator,
    evaluation: Evaluation | None = None,
) -> Dataset:
    """Train to the end on the job's images, leave what `export` writes, and return the images.

    By default `export` writes the generator, and a store if the algorithm has codes.
    evaluation: how samples are scored at every checkpoint.
    """
    dataset = context.dataset(job.data)
    about = {"data": job.data.model_dump(mode="json"), "dataset": dataset.fingerprint}
    train(job, context, Source(dataset.folder, about), build, export, evaluation)
    return dataset


def train(
    job: TrainJob,
    context: Context,
    source: Source,
    build: Callable[[AlgorithmContext], Algorithm],
    export: Export,
    evaluation: Evaluation | None = None,
) -> None:
    """Train to the end, and leave what `export` writes."""
    earlier = continued(context)
    before = {"images_before": _images_of(earlier.training)} if earlier else {}
    inputs = {key.split(".")[0] for key in references(job)}  # several names may mean one input
    identity = job.model_dump(mode="json", exclude={"resources", *inputs})
    training = Training(
        run=context.run,
        dataset=source.folder,
        open=source.open,
        loop=job.loop,
        build=build,
        identity=identity | source.about,
        seed=training_seed(job, earlier),
        data_device=job.resources.data_device,
        checkpoint_seconds=job.resources.checkpoint_seconds,
        export=export,
        evaluation=evaluation,
        stop_early=context.stop_early,
        history={**context.provenance(job), **source.about, **before},
    )
    fit(training, job.resources, context.progress("training"))


def continued(context: Context) -> GeneratorCard | None:
    """What the run that this one continues made."""
    earlier = context.inputs.get("resume_from")
    return read_card(earlier.parent / "generator") if earlier else None


def _images_of(training: Mapping[str, Any]) -> int:
    """The images that a generator saw, also before the run that left it."""
    return training["images_seen"] + training.get("images_before", 0)


def training_seed(job: TrainJob, earlier: GeneratorCard | None) -> int:
    """The job's seed; in a run that continues another, one of its own, or it would draw the earlier run's
    batches and codes again. All that continue the same run with the same seed share it."""
    if earlier is None:
        return job.seed
    return Stream.CONTINUED.seed(job.seed, int(earlier.training["fingerprint"][:15], 16))


def summary(job: TrainGeneratorJob, context: Context, curves: Curves) -> tuple[dict[str, Any], bytes]:
    """The metrics of every training run of a generator, and a grid of its samples. curves: the run's."""
    folder = context.run.product("generator")
    generator, card = load_generator(folder)
    images = fixed_samples(generator, load_prior(folder, card), job.seed, GRID)
    seen = card.training["images_seen"]
    return records_at(job, curves, seen) | pace(curves, seen), grid_png(images, COLUMNS)


def records_at(job: TrainJob, curves: Curves, images: int) -> dict[str, float]:
    """The metrics last recorded when the result had seen this many images. The best checkpoint may come
    before the first record; then the first record counts."""
    return {
        name: next((value for seen, value in reversed(curves[name]) if seen <= images), curves[name][0][1])
        for name in job.recorded()
    }


def pace(curves: Curves, images_seen: int) -> dict[str, float]:
    """How many images the result has seen, and how many per second."""
    speed = median(rate for _, rate in curves["images_per_second"])
    return {"images_seen": images_seen, "images_per_second": speed}


def scoring_of(config: ScoringConfig, data: DataConfig, context: Context) -> Scoring:
    """How the workers score. Raises ClassifierError if images have classes unknown to the classifier."""
    classifier = context.inputs.get("score.classifier")
    if classifier:
        require_classes(read_classifier_card(classifier).classes, context.dataset(data))
    return Scoring(ScorerSource(classifier, config.weights), config.images)
