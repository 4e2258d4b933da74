"""What a worker is told of a training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from preimage.data.dataset import Dataset
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.config import LoopConfig
from preimage.training.examples import Examples
from preimage.training.worker import Worker

StopRule = Callable[[int, Mapping[str, float]], str | None]
"""(images seen, the metrics recorded there): why to stop, None to go on."""


class CheckpointEvaluator(Protocol):
    """Measures what an algorithm makes, at every checkpoint."""

    def score(self, algorithm: Any) -> dict[str, float]: ...


class Evaluation(Protocol):
    """How samples are scored; it travels to workers."""

    def evaluator(self, worker: Worker, images: Any, first: int, seed: int) -> CheckpointEvaluator:
        """images: the worker's share, from row `first` on. Every worker calls it, and then `score`."""
        ...


Export = Callable[..., None]
"""(worker, algorithm, training, dataset, images, seen): write what a finished training leaves."""


@dataclass(frozen=True)
class Training:
    """Everything a worker is told. It travels to Ray workers, so it holds addresses, not open things."""

    run: RunFolder
    dataset: Folder
    """Where the examples are: prepared images, or what `open` opens."""
    loop: LoopConfig
    build: Callable[[AlgorithmContext], Algorithm]
    identity: dict[str, Any]
    """The config as far as it decides the result; a resume must agree with it."""
    seed: int
    export: Export
    data_device: Literal["device", "host"] = "device"
    open: Callable[[Folder], Examples] = Dataset.open
    evaluation: Evaluation | None = None
    """How samples are scored at every checkpoint, where they are."""
    stop_early: StopRule | None = None
    """Asked at every record by the first worker; it travels to workers like the rest."""
    history: dict[str, Any] = field(default_factory=dict)
    """What the generator folder will say of its origin: the job, its fingerprint, the images' config."""
