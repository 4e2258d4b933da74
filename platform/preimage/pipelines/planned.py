"""What a spec would do, whether it is a job, a pipeline or a study: one protocol for whoever asks."""

from dataclasses import dataclass
from typing import Any, Protocol

from preimage.pipelines.describe import describe, summarize
from preimage.pipelines.description import Description, Summary
from preimage.pipelines.execute import execute
from preimage.pipelines.plan import Plan
from preimage.pipelines.progress import Display
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder


class Planned(Protocol):
    """A plan that can be shown, submitted and executed."""

    @property
    def name(self) -> str: ...
    @property
    def root(self) -> Folder:
        """Of all results."""
        ...

    @property
    def run(self) -> RunFolder: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        ...

    @property
    def needs_ray(self) -> bool:
        """Whether something is left to do on Ray."""
        ...

    def resolved(self) -> dict[str, Any]:
        """The whole spec as plain values, to be stored and loaded again."""
        ...

    def describe(self) -> Description:
        """What would happen, with what, and at what cost. Starts nothing."""
        ...

    def execute(self, display: Display) -> Outcome:
        """Do what is missing. Raises PreimageError; what was made until then stays."""
        ...

    def summarize(self, outcome: Outcome) -> Summary:
        """What is worth seeing of the outcome."""
        ...


@dataclass(frozen=True)
class PlannedPipeline:
    """A job or a pipeline."""

    plan: Plan

    @property
    def name(self) -> str:
        return self.plan.spec.name

    @property
    def root(self) -> Folder:
        return self.plan.root

    @property
    def run(self) -> RunFolder:
        return self.plan.run

    @property
    def fingerprint(self) -> str:
        return self.plan.fingerprint

    @property
    def is_done(self) -> bool:
        return self.plan.is_done

    @property
    def needs_ray(self) -> bool:
        return any(step.job.resources.backend == "ray" and not step.is_done for step in self.plan.steps)

    def resolved(self) -> dict[str, Any]:
        return self.plan.spec.resolved()

    def describe(self) -> Description:
        return describe(self.plan)

    def execute(self, display: Display) -> Outcome:
        return execute(self.plan, display)

    def summarize(self, outcome: Outcome) -> Summary:
        return summarize(self.plan, outcome)
