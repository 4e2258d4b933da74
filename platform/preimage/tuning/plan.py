"""The plan of a study: its run folder, and what its trials have in common."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import PreimageError
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.plugins import named_in
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.specs.objectives import lowest_is_best
from preimage.specs.overrides import path_of
from preimage.specs.pipeline import renamed
from preimage.specs.search_space import complete, variants
from preimage.specs.study import StudySpec
from preimage.specs.study_checks import body_of
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.plain_yaml import dump
from preimage.tuning.records import TrialRecord, read_records
from preimage.tuning.trial import StudyRun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyPlan:
    """A study with its run folder. Two of one fingerprint are the same study."""

    spec: StudySpec
    root: Folder
    fingerprint: str
    run: RunFolder
    base: Plan
    """The plan of a trial with every key at its first value."""

    @property
    def on_ray(self) -> bool:
        return any(step.job.resources.backend == "ray" for step in self.base.steps)

    @property
    def plugins(self) -> dict[str, str]:
        """The versions, by name, of the distributions that it uses, for the values that it varies too."""
        return self.base.plugins | named_in(self.spec.resolved())

    @property
    def in_process(self) -> bool:
        """Whether each trial is one process, as it is unless a step asks for several workers."""
        return all(step.job.resources.workers == 1 for step in self.base.steps)

    @property
    def negate_metric(self) -> bool:
        """Whether the scheduler's metric and the first objective have opposite directions."""
        metric = self.spec.scheduler.metric
        if self.spec.scheduler.name == "none" or not metric:
            return False
        direction = next(iter(self.spec.objectives.values()))
        return lowest_is_best(self.base.spec, metric) != (direction == "minimize")

    def outcome(self, retry_failed: bool = False) -> Outcome | None:
        """The outcome; None if trials are missing, or if its report was on other metrics."""
        if self.missing(retry_failed):
            return None
        reported = {key: self.spec.resolved()[key] for key in ("correlate", "show")}
        is_on_these = dump(reported).encode() in (self.run.folder.find("spec.yaml") or b"")
        return self.run.outcome() if is_on_these else None

    @property
    def study(self) -> StudyRun:
        spec = replace(self.spec, tracking=self.spec.tracking.here)  # on a trial's machine it may differ
        return StudyRun(spec, self.run, self.in_process)

    def records(self, retry_failed: bool = False) -> list[TrialRecord]:
        """The records of trials that need not run (again)."""
        records = [each for each in read_records(self.run.folder) if each.number < self.spec.trials]
        return [each for each in records if not (retry_failed and each.state == "failed")]

    def missing(self, retry_failed: bool = False) -> int:
        """How many trials have to run."""
        return self.spec.trials - len(self.records(retry_failed))


def plan_study(spec: StudySpec, catalog: Catalog | None = None) -> StudyPlan:
    """Plan a study. Starts nothing and writes nothing. catalog: of an earlier plan.

    Raises what `make_plan` raises for a trial with every key at its first value.
    """
    root = Folder.at(spec.results)
    base = make_plan(spec.spec_of(complete(spec.space, {}), spec.name), catalog=catalog)
    spec = replace(spec, trial=renamed(spec.trial, base.versions))
    fingerprint = digest(canonical_json(_identity(spec, base)).encode())
    return StudyPlan(spec, root, fingerprint, RunFolder(root / "runs" / f"study-{fingerprint[:10]}"), base)


def trial_resources(plan: StudyPlan) -> tuple[Resources, ...]:
    """What a trial's steps need on Ray. A trial of one process has its room there from its first step on."""
    needs = [step.job.resources for step in plan.base.steps]
    if plan.in_process:
        return tuple(each.model_copy(update={"backend": "ray"}) for each in needs)
    return tuple(each for each in needs if each.backend == "ray")


def shared_steps(plan: StudyPlan) -> list[PlannedStep]:
    """The steps that are the same in every trial, in their order."""
    plans = _variants(plan)
    same = set.intersection(*({step.fingerprint for step in each.steps} for each in plans))
    return [step for step in plan.base.steps if step.fingerprint in same]


def images_wanted(plan: StudyPlan) -> Iterator[tuple[DataConfig, PlannedStep]]:
    """Each dataset that is not prepared, and a step of a trial that needs it."""
    known: set[str] = set()
    for each in _variants(plan):
        for step in each.steps:
            for data in step.images:
                if (
                    not plan.base.catalog.is_prepared(data)
                    and (key := plan.base.catalog.key(data)) not in known
                ):
                    known.add(key)
                    yield data, step


def _variants(plan: StudyPlan) -> list[Plan]:
    """Plans of trials that vary one key each, as far as they are possible."""
    plans = [plan.base]
    for key, point in variants(plan.spec.space):
        try:
            spec = plan.spec.spec_of(point, plan.spec.name)
            plans.append(make_plan(spec, catalog=plan.base.catalog))
        except PreimageError as error:
            log.warning("trials with %s=%r will fail: %s", key, point.get(key), error)
    return plans


def _identity(spec: StudySpec, base: Plan) -> dict[str, Any]:
    """What decides a study's results. The number of trials does not: a study with more trials resumes."""
    body = body_of(spec.trial, {})
    return {
        "trial": base.fingerprint,
        "varied": {key: _at(body, key) for key in spec.space},
        "space": {key: space.plain() for key, space in spec.space.items()},
        "objectives": list(spec.objectives.items()),
        "sampler": spec.sampler.model_dump(mode="json"),
        "scheduler": spec.scheduler.model_dump(mode="json"),
        "parallel": spec.parallel if spec.is_adaptive else None,
    }


def _at(body: Any, key: str) -> Any:
    """A trial's own value of a key of the space: it applies when the key has no value."""
    for part in path_of(body, key):
        body = body.get(part) if isinstance(body, dict) else None
    return body
