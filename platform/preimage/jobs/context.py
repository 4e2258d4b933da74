"""What a recipe is given beside its config."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.prepare import prepare
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.training import StopRule

Advance = Callable[[int, int], None]
"""Told how many are done, and of how many."""


@dataclass(frozen=True)
class Context:
    """Where a run leaves its products and where it finds those of earlier runs."""

    run: RunFolder
    datasets: Folder
    fingerprint: str
    resources: Resources
    inputs: dict[str, Folder] = field(default_factory=dict)
    """The folder of each product that the config names, by the config's key."""
    show: Callable[[str], Advance] = lambda task: lambda done, total: None
    """Begin a task for the user to watch."""
    stop_early: StopRule | None = None
    """When a training of this run is given up, as a trial of a study may be."""

    def dataset(self, config: DataConfig) -> Dataset:
        """The prepared images, made now if they are not there yet. Raises DataError."""
        advance = self.show("preparing images")
        return prepare(
            config,
            self.datasets,
            workers=self.resources.workers,
            cpus=self.resources.cpus_per_worker,
            backend=self.resources.backend,
            progress=advance,
        )


@dataclass(frozen=True)
class Result:
    """What a recipe hands back: its figures, and what it drew or wrote (names in the run's figures/)."""

    metrics: dict[str, Any]
    figures: tuple[str, ...] = ()
