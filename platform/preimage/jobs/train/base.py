"""What every training has in common: its settings, running it, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

from pydantic import model_validator

from preimage.config import Config
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.figures.grids import grid_png
from preimage.jobs.config import JobConfig
from preimage.jobs.context import Context
from preimage.latents.priors import PriorName
from preimage.models.config import FIRST_SIDE, DcganConfig, ModelConfig
from preimage.models.generator_folder import load_generator, load_prior
from preimage.storage.folder import Folder
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.batches import require_batch
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.examples import Examples
from preimage.training.export import deliver_generator
from preimage.training.fit import check_batch, fit
from preimage.training.loop import GRID
from preimage.training.networks import fixed_samples
from preimage.training.training import Deliver, Scores, Training


class LearnConfig(JobConfig):
    """The keys of every training."""

    RECORDED: ClassVar[tuple[str, ...]]
    """The metrics that a step records."""

    model: Config
    optimizer: OptimizerConfig = OptimizerConfig()
    training: LoopConfig = LoopConfig()

    def recorded(self) -> tuple[str, ...]:
        """The metrics that this training records, by any of which its result may be chosen."""
        return self.RECORDED

    @property
    def loop(self) -> LoopConfig:
        """The loop's settings, complete."""
        return self.training

    @model_validator(mode="after")
    def _best_by_a_metric_that_is_recorded(self) -> "LearnConfig":
        if self.training.select_by is not None and self.training.select_by not in self.recorded():
            raise ValueError(
                f"training.select_by must be one of {', '.join(self.recorded())}, "
                f"but is {self.training.select_by!r}"
            )
        return self


class ImagesConfig(LearnConfig):
    """The keys of every training on images."""

    data: DataConfig

    @model_validator(mode="after")
    def _size_that_a_dcgan_has(self) -> "ImagesConfig":
        require_size_of_a_dcgan(self.data)
        return self


class TrainConfig(ImagesConfig):
    """The keys of every training of a DCGAN's generator."""

    PRIOR: ClassVar[PriorName] = "normal"
    """Where the generator's codes are drawn from, unless the model says it."""

    model: ModelConfig = ModelConfig()

    @property
    def generator(self) -> DcganConfig:
        shape = {"image_size": self.data.size, "channels": self.data.channels}
        return DcganConfig.model_validate({"prior": self.PRIOR} | self.model.model_dump() | shape)


def require_size_of_a_dcgan(data: DataConfig) -> None:
    """Raise ValueError for images that a DCGAN does not make."""
    if data.size not in FIRST_SIDE:
        sizes = ", ".join(map(str, FIRST_SIDE))
        raise ValueError(f"data.size must be one of {sizes} for a DCGAN's convolutions, but is {data.size}")


def check(config: LearnConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    check_batch(config.training, config.resources)
    require_batch(images, config.training.batch_size)


def cost(config: TrainConfig, images: int | None) -> dict[str, int]:
    """Steps, and generator evaluations: one image through the generator, forward or backward, counts one."""
    counts = steps_of(config)
    return counts | {"generator evaluations": 2 * counts["images seen"]}


def steps_of(config: LearnConfig) -> dict[str, int]:
    """What a training takes, in whole batches."""
    steps = -(-config.training.total_images // config.training.batch_size)
    return {"images seen": steps * config.training.batch_size, "steps": steps}


@dataclass(frozen=True)
class Source:
    """What a training learns from."""

    folder: Folder
    about: dict[str, Any]
    """What the product's card will say of it; its fingerprints decide the result."""
    open: Callable[[Folder], Examples] = Dataset.open


def train_on_images(
    config: ImagesConfig,
    context: Context,
    build: Callable[[AlgorithmContext], Algorithm],
    deliver: Deliver = deliver_generator,
    scoring: Scores | None = None,
) -> Dataset:
    """Train to the end, on the images returned, and leave what `deliver` writes.

    Without it that is the generator, and a store where there are codes.
    scoring: how samples are scored at every checkpoint.
    """
    dataset = context.dataset(config.data)
    about = {"data": config.data.model_dump(mode="json"), "dataset": dataset.fingerprint}
    train(config, context, Source(dataset.folder, about), build, deliver, scoring)
    return dataset


def train(
    config: LearnConfig,
    context: Context,
    source: Source,
    build: Callable[[AlgorithmContext], Algorithm],
    deliver: Deliver,
    scoring: Scores | None = None,
) -> None:
    """Train to the end, and leave what `deliver` writes."""
    inputs = {key.split(".")[0] for key in config.needs()}  # an input may be named in more ways than one
    identity = config.model_dump(mode="json", exclude={"resources", *inputs})
    training = Training(
        run=context.run,
        dataset=source.folder,
        open=source.open,
        loop=config.loop,
        build=build,
        identity=identity | source.about,
        seed=config.seed,
        data_device=config.resources.data_device,
        deliver=deliver,
        scoring=scoring,
        stop_early=context.stop_early,
        history={"job": config.job, "fingerprint": context.fingerprint, **source.about},
    )
    fit(training, config.resources, context.show("training"))


def summary(config: TrainConfig, context: Context) -> dict[str, Any]:
    """The figures of every training of a generator. Draws samples.png."""
    generator, card = load_generator(context.run.generator)
    images = fixed_samples(generator, load_prior(context.run.generator, card), config.seed, GRID)
    context.run.figures.write("samples.png", grid_png(images))
    seen = card.training["images_seen"]
    return records_at(config, context, seen) | pace(context, seen)


def records_at(config: LearnConfig, context: Context, images: int) -> dict[str, float]:
    """What was recorded when the result had seen so many images, or next: the best checkpoint may be an early
    one, and even come before the first record."""
    curves = {name: context.run.curve(name) for name in config.recorded()}
    return {
        name: next((value for seen, value in reversed(curve) if seen <= images), curve[0][1])
        for name, curve in curves.items()
    }


def pace(context: Context, images_seen: int) -> dict[str, float]:
    """How many images the result has seen, and how many a second."""
    speed = median(rate for _, rate in context.run.curve("images_per_second"))
    return {"images_seen": images_seen, "images_per_second": speed}
