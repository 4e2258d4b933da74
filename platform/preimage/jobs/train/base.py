"""What all training jobs share: their keys, checks and costs."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import model_validator

from preimage.config import Config
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.jobs.base import Job, Metrics, headline, others
from preimage.latents.priors import PriorName
from preimage.models.config import DcganConfig, ModelConfig
from preimage.models.dcgan_size import doublings
from preimage.training.batch_size import check_batch, require_batch
from preimage.training.config import LoopConfig, OptimizerConfig

PACE = ("images_seen", "images_per_second")


class TrainJob(Job):
    """The keys of every training run."""

    trains: ClassVar[bool] = True
    RECORDED: ClassVar[tuple[str, ...]]
    """The metrics that a step records."""

    model: Config
    optimizer: OptimizerConfig = OptimizerConfig()
    training: LoopConfig = LoopConfig()

    def recorded(self) -> tuple[str, ...]:
        """The metrics that the run records; `select_by` may name any of them."""
        return self.RECORDED

    @property
    def loop(self) -> LoopConfig:
        """The loop's complete settings."""
        return self.training

    def check(self, catalog: Catalog) -> None:
        check_batch(self.training, self.resources)

    @model_validator(mode="after")
    def _select_by_is_recorded(self) -> "TrainJob":
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
        """Steps and images seen, in whole batches."""
        return steps_of(self)

    @model_validator(mode="after")
    def _size_fits_dcgan(self) -> "TrainOnImagesJob":
        doublings(self.data.size, "data.size")
        return self


class TrainGeneratorJob(TrainOnImagesJob):
    """The keys of every training run of a DCGAN's generator."""

    told_apart_by: ClassVar[Mapping[str, str]] = {"model.base_channels": "w", "model.latent_dim": "d"}
    PRIOR: ClassVar[PriorName] = "normal"
    """The prior of the generator's codes, unless the model names one."""

    model: ModelConfig = ModelConfig()

    @property
    def made_generator(self) -> DcganConfig:
        shape = {"image_size": self.data.size, "channels": self.data.channels}
        return DcganConfig.model_validate({"prior": self.PRIOR} | self.model.model_dump() | shape)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps, and generator evaluations: one image through the generator, forward or backward, is one."""
        counts = steps_of(self)
        return counts | {"generator evaluations": 2 * counts["images seen"]}


def steps_of(job: TrainJob) -> dict[str, int]:
    """The images seen and the steps of a training run, in whole batches."""
    steps = -(-job.training.total_images // job.training.batch_size)
    return {"images seen": steps * job.training.batch_size, "steps": steps}


def metrics_with_codes(recorded: Sequence[str]) -> Metrics:
    """The metrics of a run that records these, including the loss, and leaves a store."""
    more = [name for name in recorded if name != "loss"]
    return (
        *headline("loss", "reconstruction_error", *PACE),
        *others("images", "reconstruction_error_median", *more),
    )
