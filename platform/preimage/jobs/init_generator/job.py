"""init-generator: a generator before training, to compare a trained one with (flexible-priors, 4.1)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import model_validator

from preimage.data.config import DataConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline
from preimage.models.config import ConditionalModelConfig, DcganConfig
from preimage.models.dcgan_size import doublings


class InitGeneratorJob(Job):
    """Leave a DCGAN's generator with its initial weights: those that train-gan starts from with this seed.

    It runs in this process, whatever the backend.
    """

    makes: ClassVar[frozenset[str]] = frozenset({"generator"})

    told_apart_by: ClassVar[Mapping[str, str]] = {"model.base_channels": "w", "model.latent_dim": "d"}

    job: Literal["init-generator"] = "init-generator"
    data: DataConfig
    """The images that it would be trained on. It takes their shape and sees none of them."""
    model: ConditionalModelConfig = ConditionalModelConfig()
    batchnorm: Literal["settled", "initial"] = "settled"
    """The statistics of its BatchNorms. `settled`: of their own inputs for codes of the prior. `initial`:
    mean 0 and variance 1, of a network that never saw a batch: its images are nearly constant."""

    @model_validator(mode="after")
    def _size_that_a_dcgan_has(self) -> "InitGeneratorJob":
        doublings(self.data.size, "data.size")
        return self

    @property
    def own_data(self) -> DataConfig:
        return self.data

    @property
    def made_generator(self) -> DcganConfig:
        shape = {"image_size": self.data.size, "channels": self.data.channels}
        return DcganConfig.model_validate(self.model.model_dump() | shape)

    def metrics(self) -> Metrics:
        return headline("parameters", "images_seen")

    def cost(self, images: int | None) -> dict[str, int]:
        return {"images seen": 0}

    def run(self, context: Context) -> Result:
        from preimage.jobs.init_generator.run import run

        return run(self, context)
