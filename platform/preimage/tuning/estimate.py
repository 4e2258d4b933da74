"""Estimate the cost of a study before it runs."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from preimage.errors import PreimageError
from preimage.pipelines.cost import add, cost_of
from preimage.pipelines.hours import EVALUATIONS, measured, runs_here
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.rates import Rates
from preimage.specs.search import SamplerConfig, SchedulerConfig
from preimage.specs.search_space import Point
from preimage.tuning.plan import StudyPlan, shared_steps
from preimage.tuning.records import read_records
from preimage.tuning.searcher import Searcher
from preimage.tuning.trial import plan_trial

DRAWN = 32
"""Random points that stand in for the points that a sampler will choose."""


@dataclass(frozen=True)
class Estimate:
    """What `preimage plan` says about a study."""

    ended: int
    """Trials that have ended."""
    at_once: int
    shared: tuple[str, ...]
    """Unfinished steps that all trials share."""
    counts: dict[str, int]
    """Cost by name, summed over what is not finished."""
    drawn: int
    """Random points that the counts are estimated from; 0 if they are exact."""
    impossible: int
    """Points at which no trial can run."""
    rate: float | None
    """Generator evaluations a second on this machine now; None if nothing is left that has to be timed, or no
    generator is known yet."""
    measured: float = 0.0
    """Seconds of the unfinished steps that earlier runs tell."""
    runs: tuple[str, ...] = ()
    """The earlier runs that tell."""
    unmeasured: dict[str, int] = field(default_factory=dict)
    """The part of the counts that no earlier run tells the time of."""

    @property
    def evaluations(self) -> int:
        """Generator evaluations whose time is not measured."""
        return sum(self.unmeasured.get(name, 0) for name in EVALUATIONS)

    @property
    def seconds(self) -> float | None:
        """How long it takes, as far as that is known; None if it is not."""
        timed = self.evaluations / self.rate if self.rate else 0.0
        return (self.measured + timed) / self.at_once or None


@dataclass
class _Work:
    """What unfinished steps cost: how often, and how long as far as earlier runs tell."""

    rates: Rates
    counts: dict[str, int] = field(default_factory=dict)
    unmeasured: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    runs: dict[str, None] = field(default_factory=dict)

    def add(self, plan: Plan, steps: Iterable[PlannedStep]) -> None:
        for step in steps:
            counts = cost_of(plan, [step])
            add(self.counts, counts)
            if found := measured(plan, step, self.rates, runs_here(step.job.resources)):
                self.seconds += found.seconds
                self.runs[found.run] = None
            else:
                add(self.unmeasured, counts)

    def plus(self, other: "_Work", times: float) -> "_Work":
        add(self.counts, other.counts, times)
        add(self.unmeasured, other.unmeasured, times)
        return replace(self, seconds=self.seconds + times * other.seconds, runs=self.runs | other.runs)


def estimate(plan: StudyPlan) -> Estimate:
    """Count what is not finished yet; where no earlier run on this hardware tells how long that takes, time
    the generator. Starts nothing and writes nothing."""
    ended = {each.number for each in read_records(plan.run.folder) if each.number < plan.spec.trials}
    missing = plan.spec.trials - len(ended)
    shared = [step for step in shared_steps(plan) if not step.is_done] if missing else []
    rates = Rates(plan.root)
    once, each_point = _Work(rates), _Work(rates)
    once.add(plan.base, shared)
    grid = plan.spec.sampler.name == "grid"
    points = _points(plan)
    asked = [point for number, point in enumerate(points) if not grid or number not in ended]
    counted = {step.run.name for step in shared}
    impossible = _count(plan, asked, counted, each_point) if missing else 0
    work = once.plus(each_point, 1 if grid else missing / max(1, len(asked)))
    found = Estimate(
        ended=len(ended),
        at_once=_at_once(plan, missing),
        shared=tuple(step.name for step in shared),
        counts=work.counts,
        drawn=0 if grid else len(asked),
        impossible=impossible,
        rate=None,
        measured=work.seconds,
        runs=tuple(work.runs),
        unmeasured=work.unmeasured,
    )
    return replace(found, rate=_rate(plan)) if found.evaluations else found


def _rate(plan: StudyPlan) -> float | None:
    """Evaluations a second of the first point's generator."""
    from preimage.pipelines.timed_generator import evaluations_per_second  # imports torch

    return evaluations_per_second(plan.base, *plan.base.steps)


def _points(plan: StudyPlan) -> list[Point]:
    """The points of the grid, or random points that stand in for a sampler's."""
    spec = plan.spec
    if spec.sampler.name != "grid":
        sampler = SamplerConfig(name="random", seed=spec.sampler.seed)
        spec = replace(spec, sampler=sampler, scheduler=SchedulerConfig(), trials=DRAWN)
    searcher = Searcher(spec)
    while searcher.ask({}) is not None:
        pass
    return searcher.asked


def _count(plan: StudyPlan, points: Iterable[Point], counted: set[str], work: _Work) -> int:
    """Add the work of trials at these points, each run once. Returns how many points are impossible."""
    impossible = 0
    for number, point in enumerate(points):
        try:
            trial = plan_trial(plan.study, number, point, plan.base.catalog)
        except PreimageError:
            impossible += 1
            continue
        steps = [step for step in trial.steps if not step.is_done and step.run.name not in counted]
        counted |= {step.run.name for step in steps}
        work.add(trial, steps)
    return impossible


def _at_once(plan: StudyPlan, missing: int) -> int:
    """How many trials fit at once: one in this process; on this machine's Ray as many as the cores allow."""
    if not plan.on_ray:
        return 1
    most = min(plan.spec.parallel, max(1, missing))
    if os.environ.get("RAY_ADDRESS"):
        return most
    cores = os.cpu_count() or 1
    each = max(step.job.resources.workers * step.job.resources.cpus_per_worker for step in plan.base.steps)
    return max(1, min(most, cores // each))
