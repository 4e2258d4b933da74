"""What a worker is told of a training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from preimage.runs import RunFolder
from preimage.storage import Folder
from preimage.training.config import LoopConfig
from preimage.training.deliver import deliver_generator
from preimage.training.learner import Learner, Setting
from preimage.training.scoring import Scoring

Deliver = Callable[..., None]
"""(worker, learner, training, dataset, images, seen): write what a finished training leaves."""


@dataclass(frozen=True)
class Training:
    """Everything a worker is told. It travels to Ray workers, so it holds addresses, not open things."""

    run: RunFolder
    dataset: Folder
    loop: LoopConfig
    build: Callable[[Setting], Learner]
    identity: dict[str, Any]
    """The config as far as it decides the result; a resume must agree with it."""
    seed: int
    images_on: Literal["device", "host"] = "device"
    deliver: Deliver = deliver_generator
    scoring: Scoring | None = None
    """How samples are scored at every checkpoint, where they are."""
    history: dict[str, Any] = field(default_factory=dict)
    """What the generator folder will say of its origin: the job, its fingerprint, the images' config."""
