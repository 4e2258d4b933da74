"""The base class of every config, and the settings for where and how fast a job runs, not what it does."""

import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from preimage.errors import PreimageError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

ALIKE = {"alike": True}
"""The context of a dump in which settings that make the same results are the same."""
UNKNOWN_KEY = "unknown_key"
"""The type of pydantic's error for a key that a kind's own settings lack; its message names the nearest."""


class Config(BaseModel):
    """A frozen config that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def mistakes_in(error: ValidationError) -> str:
    """What is wrong with a config, in one line: the first few mistakes, each with its key."""
    found = [": ".join([*map(str, each["loc"][-1:]), each["msg"]]) for each in error.errors()]
    return "; ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def unknown(key: str, known: list[str], what: str = "key") -> str:
    """The message for an unknown name, with the nearest known one."""
    near = get_close_matches(str(key), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(sorted(known))}"
    return f"no such {what}; {hint}"


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
    """One GPU per worker. `auto`: if the cluster has one for every worker, otherwise the CPU. Only CUDA GPUs
    count: on a Mac the CPU is used."""
    data_device: Literal["device", "host"] = "device"
    """Where a training worker keeps its images, as bytes: on its GPU, or on the host if they do not fit."""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 30.0
    """Least time between two checkpoints of a training run, where they serve only to resume: a fast GPU sees
    `training.checkpoint_every` images in less. None is skipped where a score or `select_by` chooses between
    them, nor the last. What comes out does not depend on it."""
    deterministic: bool = True
    """Use only those of cuDNN's kernels that sum in a fixed order: on a GPU a run that is repeated or resumed
    gives the same numbers. false: cuDNN times its kernels on each new shape and takes the fastest, and
    repeated runs agree only approximately. It changes nothing on a CPU."""
    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often a training run resumes after a worker dies, before the run fails."""

    @property
    def needed(self) -> int:
        """The number of workers required to start."""
        return self.min_workers or self.workers

    @property
    def reserved(self) -> dict[str, float]:
        """What its workers need at once on Ray, at least, by Ray's names of resources."""
        if self.backend == "local":
            return {}
        cpus = {"CPU": float(self.needed * self.cpus_per_worker)}
        return cpus | ({"GPU": float(self.needed)} if self.gpu is True else {})

    def device(self) -> "torch.device":
        """Where this process computes: its CUDA GPU, or the CPU if `gpu` is false or there is none.

        Raises PreimageError if a GPU is required of this process and there is none.
        """
        import torch  # the command line reads this module before it needs torch

        if self.gpu is False:
            return torch.device("cpu")
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        if self.gpu is True and self.backend == "local":
            raise PreimageError(
                "resources.gpu=true, but this process sees no CUDA GPU: with resources.gpu=auto it would use "
                "the CPU"
            )
        if torch.backends.mps.is_available():
            _say_apple_gpu_is_unused()
        return torch.device("cpu")

    def placed(self, gpu: bool | Literal["auto"]) -> "Resources":
        """What one worker has, in its own process. gpu: whether it got one."""
        return self.model_copy(update={"backend": "local", "workers": 1, "min_workers": None, "gpu": gpu})

    @model_validator(mode="after")
    def _min_not_above_max(self) -> "Resources":
        if self.needed > self.workers:
            raise ValueError(
                f"min_workers cannot exceed workers={self.workers} but got {self.min_workers}: "
                "lower min_workers or raise workers"
            )
        return self


def largest(needs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """What is enough for each of several alone, by Ray's names of resources."""
    found: dict[str, float] = {}
    for each in needs:
        found |= {name: max(number, found.get(name, 0)) for name, number in each.items()}
    return found


@cache
def _say_apple_gpu_is_unused() -> None:
    log.warning("Apple's GPU is not used: this runs on the CPU. Only CUDA GPUs are supported.")
