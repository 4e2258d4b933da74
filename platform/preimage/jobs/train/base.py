"""What every training job has in common: its settings, running it, and what is reported of it."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

from pydantic import model_validator

from preimage.config import Config
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.figures.grids import grid_png
from preimage.jobs.base import Context, Job
from preimage.jobs.references import references
from preimage.latents.priors import PriorName
from preimage.models.config import FIRST_SIDE, DcganConfig, ModelConfig
from preimage.models.generator_folder import load_generator, load_prior
from preimage.storage.folder import Folder
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.batches import require_batch
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.examples import Examples
from preimage.training.export import export_generator
from preimage.training.fit import check_batch, fit
from preimage.training.loop import GRID
from preimage.training.networks import fixed_samples
from preimage.training.training import Evaluation, Export, Training

PACE = ("images_seen", "images_per_second")


class TrainJob(Job):
    """The keys of every training run."""

    RECORDED: ClassVar[tuple[str, ...]]
    """The metrics that a step records."""

    model: Config
    optimizer: OptimizerConfig = OptimizerConfig()
    training: LoopConfig = LoopConfig()

    def recorded(self) -> tuple[str, ...]:
        """The metrics that the run records, by any of which its result may be selected."""
        return self.RECORDED

    @property
    def loop(self) -> LoopConfig:
        """The loop's settings, complete."""
        return self.training

    def check(self, catalog: Catalog) -> None:
        check_batch(self.training, self.resources)

    @model_validator(mode="after")
    def _selected_by_a_metric_that_is_recorded(self) -> "TrainJob":
        if self.training.select_by is not None and self.training.select_by not in self.recorded():
            raise ValueError(
                f"training.select_by must be one of {', '.join(self.recorded())}, "
                f"but is {self.training.select_by!r}"
            )
        return self


class TrainOnImagesJob(TrainJob):
    """The keys of every training run on images."""

    data: DataConfig

    @property
    def own_data(self) -> DataConfig:
        return self.data

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        require_batch(catalog.count(self.data), self.training.batch_size)

    def cost(self, images: int | None) -> dict[str, int]:
        """Whole batches."""
        return steps_of(self)

    @model_validator(mode="after")
    def _size_that_a_dcgan_has(self) -> "TrainOnImagesJob":
        require_size_of_a_dcgan(self.data)
        return self


class TrainGeneratorJob(TrainOnImagesJob):
    """The keys of every training run of a DCGAN's generator."""

    PRIOR: ClassVar[PriorName] = "normal"
    """Where the generator's codes are drawn from, unless the model says it."""

    model: ModelConfig = ModelConfig()

    @property
    def made_generator(self) -> DcganConfig:
        shape = {"image_size": self.data.size, "channels": self.data.channels}
        return DcganConfig.model_validate({"prior": self.PRIOR} | self.model.model_dump() | shape)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps, and generator evaluations: one image through the generator, forward or backward, is one."""
        counts = steps_of(self)
        return counts | {"generator evaluations": 2 * counts["images seen"]}


def require_size_of_a_dcgan(data: DataConfig) -> None:
    """Raise ValueError for images that a DCGAN does not make."""
    if data.size not in FIRST_SIDE:
        sizes = ", ".join(map(str, FIRST_SIDE))
        raise ValueError(f"data.size must be one of {sizes} for a DCGAN's convolutions, but is {data.size}")


def steps_of(job: TrainJob) -> dict[str, int]:
    """What a training run takes, in whole batches."""
    steps = -(-job.training.total_images // job.training.batch_size)
    return {"images seen": steps * job.training.batch_size, "steps": steps}


@dataclass(frozen=True)
class Source:
    """What a training run learns from."""

    folder: Folder
    about: dict[str, Any]
    """What the product's card will say of it; its fingerprints decide the result."""
    open: Callable[[Folder], Examples] = Dataset.open


def train_on_images(
    job: TrainOnImagesJob,
    context: Context,
    build: Callable[[AlgorithmContext], Algorithm],
    export: Export = export_generator,
    evaluation: Evaluation | None = None,
) -> Dataset:
    """Train to the end, on the images returned, and leave what `export` writes.

    Without it that is the generator, and a store where there are codes.
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
    inputs = {key.split(".")[0] for key in references(job)}  # an input may be named in more ways than one
    identity = job.model_dump(mode="json", exclude={"resources", *inputs})
    training = Training(
        run=context.run,
        dataset=source.folder,
        open=source.open,
        loop=job.loop,
        build=build,
        identity=identity | source.about,
        seed=job.seed,
        data_device=job.resources.data_device,
        export=export,
        evaluation=evaluation,
        stop_early=context.stop_early,
        history={"job": job.job, "fingerprint": context.fingerprint, **source.about},
    )
    fit(training, job.resources, context.progress("training"))


def summary(job: TrainGeneratorJob, context: Context) -> tuple[dict[str, Any], bytes]:
    """The metrics of every training run of a generator, and a grid of its samples."""
    folder = context.run.product("generator")
    generator, card = load_generator(folder)
    images = fixed_samples(generator, load_prior(folder, card), job.seed, GRID)
    seen = card.training["images_seen"]
    return records_at(job, context, seen) | pace(context, seen), grid_png(images)


def curves_of(job: TrainJob, context: Context) -> dict[str, list[tuple[int, float]]]:
    """What the run recorded, over images seen."""
    return {name: context.run.curve(name) for name in job.recorded()}


def records_at(job: TrainJob, context: Context, images: int) -> dict[str, float]:
    """What was recorded when the result had seen so many images, or next: the best checkpoint may be an early
    one, and even come before the first record."""
    return {
        name: next((value for seen, value in reversed(curve) if seen <= images), curve[0][1])
        for name, curve in curves_of(job, context).items()
    }


def pace(context: Context, images_seen: int) -> dict[str, float]:
    """How many images the result has seen, and how many a second."""
    speed = median(rate for _, rate in context.run.curve("images_per_second"))
    return {"images_seen": images_seen, "images_per_second": speed}
