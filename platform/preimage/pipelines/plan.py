"""The plan of a job or pipeline as a value: its steps with their run folders, and what was opened for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.jobs.base import Job
from preimage.jobs.references import images_named, references
from preimage.pipelines.inputs import Input
from preimage.runs.run_folder import RunFolder
from preimage.specs.pipeline import Spec
from preimage.storage.folder import Folder

State = Literal["finished", "begun", "new", "skipped"]


@dataclass(frozen=True)
class PlannedStep:
    """A job with its run folder. Two jobs of one fingerprint are the same run."""

    name: str
    job: Job
    fingerprint: str
    run: RunFolder
    state: State
    inputs: dict[str, Input] = field(default_factory=dict)
    data: DataConfig | None = None
    """The images that it works on: its own, or those of its generator, or those of the pipeline."""
    hidden: DataConfig | None = None
    """The pipeline's images, where those of the generator are used instead."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """The versions, by name, of the distributions that parts of the job and of its inputs come from."""
    is_final: bool = True
    """Whether all images that decide its run were read before; if not, its fingerprint and folder change."""

    @property
    def images(self) -> list[DataConfig]:
        """The images that decide the run: those the job works on, and those that its spec names besides."""
        own = [self.data] if self.data and "data" in type(self.job).model_fields else []
        return [*own, *(each for each in images_named(self.job).values() if each not in own)]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ("finished", "skipped")


Earlier = Mapping[str, PlannedStep]
"""The steps before one, by name."""


@dataclass(frozen=True)
class Plan:
    """The steps of a spec, in order, and the folders they share."""

    spec: Spec
    root: Folder
    """The folder of all results."""
    catalog: Catalog
    """The images of all steps, opened."""
    steps: tuple[PlannedStep, ...]
    fingerprint: str
    run: RunFolder
    """A pipeline's own folder; a single job's is its step's."""
    fresh: bool = False
    of: tuple[PlannedStep, ...] = ()
    """The steps of the plan that a step on its own was taken from."""

    @property
    def by_name(self) -> dict[str, PlannedStep]:
        """The steps, those of the plan that this was taken from included."""
        return {step.name: step for step in (*self.of, *self.steps)}

    @property
    def plugins(self) -> dict[str, str]:
        """Those of all steps."""
        return {name: number for step in self.steps for name, number in step.plugins.items()}

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return all(step.is_done for step in self.steps)

    @property
    def is_final(self) -> bool:
        """Whether the fingerprints and the folders of all steps are final."""
        return all(step.is_final for step in self.steps)

    @property
    def versions(self) -> dict[str, str]:
        """The models in MLflow that the spec names, and the versions that these names meant when it was
        planned."""
        named = ((step, key, str(name)) for step in self.steps for key, name in references(step.job).items())
        models = ((name, step.inputs[key].model) for step, key, name in named if key in step.inputs)
        return {name: model for name, model in models if model not in (None, name)}

    def alone(self, step: PlannedStep) -> "Plan":
        """One of the steps as a plan of its own."""
        spec = replace(self.spec, name=step.name, steps={step.name: step.job}, is_pipeline=False, rounds=None)
        own = {"spec": spec, "steps": (step,), "run": step.run, "fingerprint": step.fingerprint}
        return replace(self, of=self.steps, **own)
