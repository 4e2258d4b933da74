"""A study as a plan that can be shown, submitted and executed: see `pipelines.planned`."""

from dataclasses import dataclass
from typing import Any

from preimage.pipelines.description import Description, Summary
from preimage.pipelines.progress import Display
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tuning.describe import describe, summarize
from preimage.tuning.plan import StudyPlan
from preimage.tuning.study import run_study


@dataclass(frozen=True)
class PlannedStudy:
    """A study."""

    plan: StudyPlan
    retry_failed: bool = False
    """Whether trials that failed are run again."""

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
        return self.plan.missing(self.retry_failed) == 0 and self.run.outcome() is not None

    @property
    def needs_ray(self) -> bool:
        return self.plan.on_ray and self.plan.missing(self.retry_failed) > 0

    def resolved(self) -> dict[str, Any]:
        return self.plan.spec.resolved()

    def describe(self) -> Description:
        return describe(self.plan)

    def execute(self, display: Display) -> Outcome:
        return run_study(self.plan, display, self.retry_failed)

    def summarize(self, outcome: Outcome) -> Summary:
        return summarize(self.plan, outcome)
