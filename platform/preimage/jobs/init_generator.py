"""untrained: a generator before its training, what a trained one is compared with (flexible-priors, 4.1)."""

from typing import ClassVar, Literal

from pydantic import model_validator

from preimage.data.config import DataConfig
from preimage.figures.grids import grid_png
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.random_weights.job import untrained
from preimage.jobs.train.base import require_size_of_a_dcgan
from preimage.latents.priors import make_prior
from preimage.models.config import DcganConfig, GanModelConfig
from preimage.models.dcgan import parameters_of
from preimage.models.generator_folder import save_generator
from preimage.training.loop import GRID
from preimage.training.networks import fixed_samples
from preimage.work.reproducible import prepare_process

HEADLINE = ("images_seen", "parameters")


class UntrainedConfig(JobConfig):
    """Leave a DCGAN's generator with its first weights: those that train-gan with this seed begins with.

    It runs in this process, whatever the backend.
    """

    GIVES: ClassVar[frozenset[Product]] = frozenset({"generator"})

    job: Literal["init-generator"] = "init-generator"
    data: DataConfig
    """The images that it would be trained on; it has their shape and is given no more of them."""
    model: GanModelConfig = GanModelConfig()

    @property
    def generator(self) -> DcganConfig:
        shape = {"image_size": self.data.size, "channels": self.data.channels}
        return DcganConfig.model_validate(self.model.model_dump() | shape)

    @model_validator(mode="after")
    def _size_that_a_dcgan_has(self) -> "UntrainedConfig":
        require_size_of_a_dcgan(self.data)
        return self


def cost(config: UntrainedConfig, images: int | None) -> dict[str, int]:
    return {"images seen": 0}


def run(config: UntrainedConfig, context: Context) -> Result:
    """Leave the generator, and a grid of its samples.

    In eval mode a BatchNorm divides by statistics that a training leaves behind. The initial ones, mean 0 and
    variance 1, would make images that are nearly constant; these are, layer by layer, those of its own inputs
    for codes of the prior (`random_weights.untrained`).
    """
    prepare_process(config.resources.cpus_per_worker)
    dataset = context.dataset(config.data)
    generator = untrained(config.generator, config.seed)
    history = {
        "job": config.job,
        "fingerprint": context.fingerprint,
        "data": config.data.model_dump(mode="json"),
        "dataset": dataset.fingerprint,
        "images_seen": 0,
    }
    save_generator(generator, context.run.generator, history)
    prior = make_prior(config.model.prior, config.model.latent_dim)
    samples = fixed_samples(generator, prior, config.seed, GRID)
    context.run.figures.write("samples.png", grid_png(samples))
    metrics = {"images_seen": 0, "parameters": parameters_of(generator)}
    return Result(metrics, ("samples.png",))
