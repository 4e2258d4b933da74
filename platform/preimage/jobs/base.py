"""What a job is: the keys of its spec, the products that it takes and makes, and how it is run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field

from preimage.config import Config, Resources
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.models.config import GeneratorConfig
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.training import StopRule
from preimage.work.trials import Results, T, run_trials

OnProgress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


@dataclass(frozen=True)
class Metric:
    """What an outcome holds by a name, known before the run; where it is a number, a study may seek it."""

    name: str
    """Nested ones by dotted names."""
    headline: bool = False
    """Whether it is shown when the job is done."""
    is_table: bool = False
    """Whether it holds numbers of its own, by names that only the run knows."""
    is_text: bool = False
    """Whether it is a name or a list of names, which nothing can be sought by."""
    may_be_absent: bool = False
    """Whether only the run knows if there is such a metric."""


Metrics = tuple[Metric, ...]


def headline(*names: str, is_text: bool = False, may_be_absent: bool = False) -> Metrics:
    """Metrics that a person wants to see first."""
    return tuple(Metric(name, True, is_text=is_text, may_be_absent=may_be_absent) for name in names)


def others(*names: str, is_text: bool = False, may_be_absent: bool = False) -> Metrics:
    """Metrics that stand in the outcome alone."""
    return tuple(Metric(name, is_text=is_text, may_be_absent=may_be_absent) for name in names)


def tables(*names: str) -> Metrics:
    """Metrics that hold numbers by names that only the run knows."""
    return tuple(Metric(name, is_table=True) for name in names)


class Job(Config):
    """A kind of job. Its fields are the keys of its spec, and those that refer to an earlier run's product
    have the type of that reference (`references`); what it does, and what that costs, are its methods."""

    makes: ClassVar[frozenset[str]] = frozenset()
    """The products that a finished run of it leaves in its folder for others."""

    job: str
    """The kind of job, as the registry names it."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Decides every random draw."""
    resources: Resources = Resources()

    def metrics(self) -> Metrics:
        """What the outcome's metrics will be."""
        raise NotImplementedError

    def cost(self, images: int | None) -> dict[str, int]:
        """What the job costs, as counts by plain names; images: of its dataset, where that is known."""
        raise NotImplementedError

    def run(self, context: "Context") -> "Result":
        """Do the job, or go on with it where an earlier attempt was interrupted."""
        raise NotImplementedError

    def check(self, catalog: Catalog) -> None:
        """Raise PreimageError for what the spec and its images show to be impossible, before anything
        starts."""

    def check_generator(self, generator: GeneratorConfig) -> None:
        """Raise PreimageError where the job cannot be done with such a generator: known before any work."""

    def check_codes(self, latent_dim: int) -> None:
        """Raise PreimageError where the job cannot be done with a store of codes of so many components."""

    @property
    def made_generator(self) -> GeneratorConfig | None:
        """The generator that it will leave, where it makes one."""
        return None

    @property
    def own_data(self) -> DataConfig | None:
        """The images that the spec names for it."""
        return None


@dataclass(frozen=True)
class Context:
    """What a job is given to run: where it leaves what it makes, and where it finds what it takes."""

    run: RunFolder
    catalog: Catalog
    fingerprint: str
    resources: Resources
    inputs: dict[str, Folder] = field(default_factory=dict)
    """The folder of each product that the job refers to, by the dotted key of the reference."""
    progress: Callable[[str], OnProgress] = lambda task: lambda done, total: None
    """Begin a task for the user to watch."""
    stop_early: StopRule | None = None
    """When a training of this run is given up, as a trial of a study may be."""

    def dataset(self, config: DataConfig) -> Dataset:
        """The prepared images, made now if they are not there yet. Raises DataError."""
        return self.catalog.prepare(config, self.resources, self.progress("preparing images"))

    def run_trials(
        self, trials: Mapping[str, T], work: Callable[[T], Results], task: str
    ) -> dict[str, Results]:
        """The results of independent trials, by name: see `preimage.work.trials`."""
        folder = self.run.folder / "trials"
        return run_trials(folder, self.resources, trials, work, self.progress(task))


@dataclass(frozen=True)
class Result:
    """What a job gives back. The executor writes the figures and the table into the run's folder."""

    metrics: dict[str, Any]
    """As `Job.metrics` declares them."""
    figures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG pictures by file name."""
    table: str = ""
    """Markdown for people, where there is any."""
