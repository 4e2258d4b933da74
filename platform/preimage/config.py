"""The base class of every config, and the settings for where and how fast a job runs, not what it does."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Config(BaseModel):
    """A frozen config that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class Resources(Config):
    """Where and how fast a job runs. Never part of a fingerprint: a run resumes after a change here."""

    backend: Literal["ray", "local"] = "ray"
    """`local` runs in this process: one worker, a debugger works, Ray is not imported."""
    workers: PositiveInt = 1
    """Number of Ray workers. Each takes its own share of every batch, or its own images."""
    min_workers: PositiveInt | None = None
    """Elastic training: as many workers as the cluster has room for, from this many up to `workers`."""
    cpus_per_worker: PositiveInt = 1
    """CPU cores of each worker, and so its torch threads."""
    gpu: bool | Literal["auto"] = "auto"
    """One GPU per worker; `auto` takes one if the cluster has enough."""
    data_device: Literal["device", "host"] = "device"
    """Where a training worker keeps its images, as bytes: on its GPU, or on the host if they do not fit."""
    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often a training run resumes after a worker dies, before the run fails."""

    @property
    def needed(self) -> int:
        """The number of workers required to start."""
        return self.min_workers or self.workers

    @model_validator(mode="after")
    def _min_not_above_max(self) -> "Resources":
        if self.needed > self.workers:
            raise ValueError(
                f"min_workers cannot exceed workers={self.workers} but got {self.min_workers}: "
                "lower min_workers or raise workers"
            )
        return self
