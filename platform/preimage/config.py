"""The base of every config, and the settings that say where and how fast rather than what."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Config(BaseModel):
    """A frozen config that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class Resources(Config):
    """Where and how fast a job runs. Never part of a fingerprint: changing it resumes the same run."""

    backend: Literal["ray", "local"] = "ray"
    """`local` runs in this process: one worker, a debugger works, Ray is not imported."""
    workers: PositiveInt = 1
    """Ray workers; each takes its own share of every batch, or its own images."""
    min_workers: PositiveInt | None = None
    """Elastic training: as many workers as the cluster has room for, from so many to `workers`."""
    cpus_per_worker: PositiveInt = 1
    """CPU cores, and so torch threads, of each worker."""
    gpu: bool | Literal["auto"] = "auto"
    """One GPU a worker; `auto` takes one where the cluster has enough."""
    data_device: Literal["device", "host"] = "device"
    """Where a training worker keeps its images, as bytes: on its GPU, or in memory if that is too small."""
    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often a training whose worker died is resumed before the run is given up."""

    @property
    def needed(self) -> int:
        """Workers without which nothing begins."""
        return self.min_workers or self.workers

    @model_validator(mode="after")
    def _no_more_at_least_than_at_most(self) -> "Resources":
        if self.needed > self.workers:
            raise ValueError(
                f"min_workers={self.min_workers} is more than workers={self.workers}, the most that there "
                "may be: lower the one or raise the other"
            )
        return self
