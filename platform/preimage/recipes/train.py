"""What every training has in common: its settings, running it, and what is said of it."""

from collections.abc import Callable
from statistics import median
from typing import Any, ClassVar

from pydantic import model_validator

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.figures.grids import grid_png
from preimage.latents.priors import PriorName
from preimage.models.config import FIRST_SIDE, DcganConfig, ModelConfig
from preimage.models.generator_folder import load_generator, load_prior
from preimage.recipes.config import JobConfig
from preimage.recipes.context import Context
from preimage.training.batches import require_batch
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.fit import check_batch, fit
from preimage.training.learner import Learner, Setting
from preimage.training.loop import GRID
from preimage.training.networks import fixed_samples
from preimage.training.training import Training


class TrainConfig(JobConfig):
    """The keys of every training of a DCGAN's generator."""

    PRIOR: ClassVar[PriorName] = "normal"
    """Where the generator's codes are drawn from, unless the model says it."""
    RECORDED: ClassVar[tuple[str, ...]]
    """The metrics that a step records."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: LoopConfig = LoopConfig()

    @model_validator(mode="after")
    def _size_that_a_dcgan_has(self) -> "TrainConfig":
        if self.data.size not in FIRST_SIDE:
            sizes = ", ".join(map(str, FIRST_SIDE))
            raise ValueError(f"data.size must be one of {sizes} for a DCGAN, but is {self.data.size}")
        return self

    @model_validator(mode="after")
    def _best_by_a_metric_that_is_recorded(self) -> "TrainConfig":
        if self.training.best is not None and self.training.best not in self.RECORDED:
            raise ValueError(
                f"training.best must be one of {', '.join(self.RECORDED)}, but is {self.training.best!r}"
            )
        return self

    @property
    def generator(self) -> DcganConfig:
        shape = {"image_size": self.data.size, "channels": self.data.channels}
        return DcganConfig.model_validate({"prior": self.PRIOR} | self.model.model_dump() | shape)


def check(config: TrainConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    check_batch(config.training, config.resources)
    require_batch(images, config.training.batch)


def cost(config: TrainConfig, images: int | None) -> dict[str, int]:
    """Steps, and generator evaluations: one image through the generator, forward or backward, counts one."""
    steps = -(-config.training.images // config.training.batch)
    seen = steps * config.training.batch
    return {"images seen": seen, "steps": steps, "generator evaluations": 2 * seen}


def train(config: TrainConfig, context: Context, build: Callable[[Setting], Learner]) -> Dataset:
    """Train to the end, on the images returned; leave the generator, and a store where there are codes."""
    dataset = context.dataset(config.data)
    training = Training(
        run=context.run,
        dataset=dataset.folder,
        loop=config.training,
        build=build,
        identity=config.model_dump(mode="json", exclude={"resources"}) | {"dataset": dataset.fingerprint},
        seed=config.seed,
        images_on=config.resources.images_on,
        history={
            "job": config.job,
            "fingerprint": context.fingerprint,
            "data": config.data.model_dump(mode="json"),
            "dataset": dataset.fingerprint,
        },
    )
    fit(training, config.resources, context.show("training"))
    return dataset


def summary(config: TrainConfig, context: Context) -> dict[str, Any]:
    """The figures of every training. Draws samples.png."""
    generator, card = load_generator(context.run.generator)
    images = fixed_samples(generator, load_prior(context.run.generator, card), config.seed, GRID)
    context.run.figures.write("samples.png", grid_png(images))
    final = {name: context.run.curve(name)[-1][1] for name in config.RECORDED}
    speed = median(rate for _, rate in context.run.curve("images_per_second"))
    return final | {"images_seen": card.training["images_seen"], "images_per_second": speed}
