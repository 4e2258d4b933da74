"""train-gan: a DCGAN on prepared images."""

from functools import partial
from statistics import median
from typing import ClassVar, Literal

from pydantic import model_validator

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.errors import CheckpointError
from preimage.figures.grids import grid_png
from preimage.figures.plots import losses_png
from preimage.models.config import FIRST_SIDE, DcganConfig, GanModelConfig
from preimage.models.dcgan import build_pair
from preimage.models.generator_folder import save_generator
from preimage.recipes.config import JobConfig, Product
from preimage.recipes.context import Context, Result
from preimage.training import checkpoints
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.fit import check_batch, fit
from preimage.training.gan import METRICS, GanLearner, fixed_samples
from preimage.training.learner import Setting
from preimage.training.loop import GRID, Training

HEADLINE = ("images_seen", "images_per_second", "generator_loss", "discriminator_loss")


class TrainGanConfig(JobConfig):
    """Train a DCGAN generator and discriminator."""

    GIVES: ClassVar[frozenset[Product]] = frozenset({"generator"})

    job: Literal["train-gan"] = "train-gan"
    data: DataConfig
    model: GanModelConfig = GanModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: LoopConfig = LoopConfig()

    @model_validator(mode="after")
    def _size_that_a_dcgan_has(self) -> "TrainGanConfig":
        if self.data.size not in FIRST_SIDE:
            sizes = ", ".join(map(str, FIRST_SIDE))
            raise ValueError(f"data.size must be one of {sizes} for a DCGAN, but is {self.data.size}")
        return self

    @model_validator(mode="after")
    def _best_by_a_metric_that_is_recorded(self) -> "TrainGanConfig":
        if self.training.best is not None and self.training.best not in METRICS:
            raise ValueError(
                f"training.best must be one of {', '.join(METRICS)}, but is {self.training.best!r}"
            )
        return self

    @property
    def generator(self) -> DcganConfig:
        return DcganConfig.model_validate(
            self.model.model_dump() | {"image_size": self.data.size, "channels": self.data.channels}
        )


def check(config: TrainGanConfig) -> None:
    """What can be known to be wrong before anything starts."""
    check_batch(config.training, config.resources)


def cost(config: TrainGanConfig, images: int | None) -> dict[str, int]:
    """Steps, and generator evaluations: one image through the generator, forward or backward, counts one."""
    steps = -(-config.training.images // config.training.batch)
    seen = steps * config.training.batch
    return {"images seen": seen, "steps": steps, "generator evaluations": 2 * seen}


def run(config: TrainGanConfig, context: Context) -> Result:
    """Train to the end; leave the generator, and a grid of its samples."""
    dataset = context.dataset(config.data)
    training = Training(
        run=context.run,
        dataset=dataset.folder,
        loop=config.training,
        build=partial(_build, config.generator, config.optimizer, config.training.precision),
        identity=config.model_dump(mode="json", exclude={"resources"}),
        seed=config.seed,
    )
    fit(training, config.resources, context.show("training"))
    return _conclude(config, context, dataset)


def _build(model: DcganConfig, optimizer: OptimizerConfig, precision: str, setting: Setting) -> GanLearner:
    return GanLearner(setting, model, optimizer, precision)


def _conclude(config: TrainGanConfig, context: Context, dataset: Dataset) -> Result:
    """The generator out of the best checkpoint, or the latest where no metric was chosen."""
    folder, loop = context.run.checkpoints, config.training
    chosen = checkpoints.best(folder, loop.best_is == "lowest") if loop.best else None
    chosen = chosen or checkpoints.newest(folder)
    if not chosen:
        raise CheckpointError(f"{folder.uri} holds no whole checkpoint; run the same command again")
    generator, _ = build_pair(config.generator, config.seed)
    generator.load_state_dict(chosen.shared()["generator"])
    history = {
        "job": config.job,
        "fingerprint": context.fingerprint,
        "images_seen": chosen.images,
        "data": config.data.model_dump(mode="json"),
        "dataset": dataset.fingerprint,
    }
    save_generator(generator, context.run.generator, history)
    curves = {name: context.run.curve(name) for name in METRICS}
    context.run.figures.write("samples.png", grid_png(fixed_samples(generator, config.seed, GRID)))
    context.run.figures.write("losses.png", losses_png(curves))
    final = {name: curve[-1][1] for name, curve in curves.items()}
    speed = median(rate for _, rate in context.run.curve("images_per_second"))
    metrics = final | {"images_seen": chosen.images, "images_per_second": speed}
    return Result(metrics, ("samples.png", "losses.png"))
