"""What a worker needs to know about a training run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from preimage.data.dataset import Dataset
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.config import LoopConfig, StopRule
from preimage.training.examples import Examples
from preimage.training.worker import Worker


class CheckpointEvaluator(Protocol):
    """One worker's evaluator, which scores an algorithm's output at every checkpoint."""

    def score(self, algorithm: Any) -> dict[str, float]:
        """The metrics to record. Every worker calls this; the result is the same on all."""
        ...


class Evaluation(Protocol):
    """How to score an algorithm's output. It is sent to workers, where it makes their evaluators."""

    def evaluator(self, worker: Worker, images: Any, first: int, seed: int) -> CheckpointEvaluator:
        """images: the worker's shard, which begins at row `first`. Every worker calls this, then `score`."""
        ...


Export = Callable[..., None]
"""(worker, algorithm, training, dataset, images, seen): write what a finished training run leaves."""


@dataclass(frozen=True)
class Training:
    """Everything a worker needs. It is sent to Ray workers, so it holds addresses, not open resources."""

    run: RunFolder
    dataset: Folder
    """The examples' folder: prepared images, or whatever `open` reads."""
    loop: LoopConfig
    build: Callable[[AlgorithmContext], Algorithm]
    identity: dict[str, Any]
    """The part of the config that determines the result; a resumed run must match it."""
    seed: int
    export: Export
    data_device: Literal["device", "host"] = "device"
    checkpoint_seconds: float = 0.0
    """Least time between two checkpoints that nothing chooses from."""
    open: Callable[[Folder], Examples] = Dataset.open
    evaluation: Evaluation | None = None
    """How to score samples at every checkpoint, if at all."""
    stop_early: StopRule | None = None
    """Called by the main worker at every record; sent to workers like the rest."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance for the generator folder: the job, its fingerprint, the images' config."""
