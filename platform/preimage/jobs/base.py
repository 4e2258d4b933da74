"""What a job is: the keys of its spec, the products it takes and makes, and how it runs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from preimage.config import ALIKE, Config, Resources
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.jobs.published import PaperSettings
from preimage.jobs.settings_text import settings_of
from preimage.models.config import GeneratorConfig
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.config import StopRule

if TYPE_CHECKING:
    import torch

    from preimage.data.dataset import Dataset
    from preimage.latents.store import Store
    from preimage.work.trials import Results

T = TypeVar("T")

OnProgress = Callable[[int, int], None]
"""Called with the number done and the total."""


@dataclass(frozen=True)
class Metric:
    """A named entry of an outcome, known before the run; a study may optimize it if it is a number."""

    name: str
    """Dotted for a nested metric."""
    headline: bool = False
    """Whether to show it when the job finishes."""
    is_table: bool = False
    """Whether it contains numbers under names that only the run knows."""
    is_text: bool = False
    """Whether it is a name or a list of names, which no study can optimize."""
    may_be_absent: bool = False
    """Whether the outcome may lack it; only the run knows."""


Metrics = tuple[Metric, ...]


def headline(*names: str, is_text: bool = False, may_be_absent: bool = False) -> Metrics:
    """Metrics that a user wants to see first."""
    return tuple(Metric(name, True, is_text=is_text, may_be_absent=may_be_absent) for name in names)


def others(*names: str, is_text: bool = False, may_be_absent: bool = False) -> Metrics:
    """Metrics only in the outcome."""
    return tuple(Metric(name, is_text=is_text, may_be_absent=may_be_absent) for name in names)


def tables(*names: str) -> Metrics:
    """Metrics that hold numbers under names that only the run knows."""
    return tuple(Metric(name, is_table=True) for name in names)


class Job(Config):
    """A kind of job. Its fields are the keys of its spec; a field that refers to an earlier run's product has
    a reference type (`references`). Its methods run it and count what that costs."""

    makes: ClassVar[frozenset[str]] = frozenset()
    """The products that a finished run leaves in its folder for other jobs."""

    takes_labels: ClassVar[bool] = False
    """Whether it gives a class-conditional generator the label of each image."""

    compares_stores: ClassVar[bool] = False
    """Whether all its stores must hold codes of the same images."""

    trains: ClassVar[bool] = False
    """Whether its images are training data; otherwise it evaluates something by them."""

    told_apart_by: ClassVar[Mapping[str, str]] = {}
    """Dotted keys by whose values its runs are told apart in the tracker, each with what stands before the
    value, such as `w` before a width."""

    job: str
    """The kind of job."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Determines every random draw."""
    resources: Resources = Resources()

    def metrics(self) -> Metrics:
        """The metrics of the outcome."""
        raise NotImplementedError

    def cost(self, images: int | None) -> dict[str, int]:
        """What the job costs, as counts by plain names; images: those of its dataset, if known."""
        raise NotImplementedError

    def run(self, context: "Context") -> "Result":
        """Run the job, or resume it if an earlier attempt was interrupted.

        What takes seconds to import, such as torch and matplotlib, is imported here: a plan needs neither.
        """
        raise NotImplementedError

    def check(self, catalog: Catalog) -> None:
        """Raise PreimageError, before anything starts, if the spec and its images rule the job out."""

    def check_generator(self, generator: GeneratorConfig) -> None:
        """Raise PreimageError if the job cannot run with such a generator, before any work."""

    def check_codes(self, latent_dim: int) -> None:
        """Raise PreimageError if the job cannot run with codes of this many components."""

    def check_store(self, store: "Store") -> None:
        """Raise PreimageError, before any work, if the job cannot run with a latent store that is there."""

    def check_images(self, data: DataConfig, catalog: Catalog) -> None:
        """Raise PreimageError, before any work, if the images lack what the spec asks of them, as far as that
        is known before they are prepared."""

    def identity(self) -> dict[str, Any]:
        """The keys that decide what a run makes, for its fingerprint: all but where it runs, and its images,
        which count by their content."""
        return self.model_dump(mode="json", exclude={"resources", "data"}, context=ALIKE)

    def settings_text(self, unsaid: Collection[str] = ()) -> list[str]:
        """The settings that decide what it makes, in words, for the line that says how a result was made.

        unsaid: dotted keys to leave out.
        """
        return settings_of(self, self.paper.settings if self.paper else {}, unsaid)

    @property
    def paper(self) -> PaperSettings | None:
        """How the paper made the numbers that stand beside the job's."""
        return None

    @property
    def packages(self) -> Collection[str]:
        """What must be installed for it besides what every run needs, by the names in `extras`."""
        return ()

    def borrowed_priors(self) -> dict[str, str]:
        """The generators whose codes are drawn from another prior than their own, by dotted key, each with
        the key of that prior."""
        return {}

    @property
    def made_generator(self) -> GeneratorConfig | None:
        """The config of the generator that the job will make, if it makes one."""
        return None

    @property
    def own_data(self) -> DataConfig | None:
        """The images that the spec names for the job."""
        return None


@dataclass(frozen=True)
class Context:
    """What a job runs with: where it writes its products, and where it finds its inputs."""

    run: RunFolder
    catalog: Catalog
    fingerprint: str
    resources: Resources
    inputs: dict[str, Folder] = field(default_factory=dict)
    """The folder of each product that the job refers to, by the dotted key of the reference."""
    progress: Callable[[str], OnProgress] = lambda task: lambda done, total: None
    """Start a task whose progress the user can watch."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """The versions of the distributions that parts of the job come from, by name."""
    stop_early: StopRule | None = None
    """When to stop a training run early, as in a trial of a study."""

    def on_cpu(self) -> "Context":
        """The same for work that no GPU would speed up: none is reserved for it."""
        return replace(self, resources=self.resources.model_copy(update={"gpu": False}))

    def on_one_worker(self) -> "Context":
        """The same for a single piece of work: it needs no room for more, as after a node has died."""
        one = {"workers": 1, "min_workers": None}
        return replace(self, resources=self.resources.model_copy(update=one))

    def provenance(self, job: Job) -> dict[str, Any]:
        """Where a product of the job comes from, for its card."""
        plugins = {"plugins": dict(self.plugins)} if self.plugins else {}
        return {"job": job.job, "fingerprint": self.fingerprint, **plugins}

    def dataset(self, config: DataConfig) -> "Dataset":
        """The prepared images; this prepares them if needed. Raises DataError."""
        return self.catalog.prepare(config, self.resources, self.progress)

    def run_trials(
        self, trials: Mapping[str, T], work: "Callable[[T, torch.device], Results]", task: str
    ) -> "dict[str, Results]":
        """The results of independent trials, by name: see `preimage.work.trials`."""
        from preimage.work.trials import run_trials  # imports torch

        folder = self.run.folder / "trials"
        return run_trials(folder, self.resources, trials, work, self.progress(task), self.run.system)


@dataclass(frozen=True)
class Result:
    """What a job returns. The executor writes the figures and the table into the run's folder, and below each
    how it was made; pages say that themselves."""

    metrics: dict[str, Any]
    """As `Job.metrics` declares them."""
    figures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG pictures by file name."""
    table: str = ""
    """Markdown, or empty."""
    pages: Mapping[str, bytes] = field(default_factory=dict)
    """HTML pages by file name, kept beside the figures; each is one file that asks for nothing elsewhere."""
