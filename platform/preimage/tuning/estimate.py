"""Estimate the cost of a study before it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from preimage.errors import PreimageError
from preimage.pipelines.cost import add, cost_of
from preimage.pipelines.plan import Plan
from preimage.specs.search import SamplerConfig, SchedulerConfig
from preimage.specs.search_space import Point
from preimage.tuning.plan import StudyPlan, shared_steps
from preimage.tuning.records import read_records
from preimage.tuning.searcher import Searcher
from preimage.tuning.trial import plan_trial

if TYPE_CHECKING:
    from torch import nn

DRAWN = 32
"""Random points that stand in for the points that a sampler will choose."""
EVALUATIONS = ("generator evaluations", "generator evaluations at most")
BATCH = 64
SECONDS = 0.5
"""How long the generator is timed."""


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
    """Generator evaluations a second on this machine now; None if no generator is known yet."""

    @property
    def hours(self) -> float | None:
        evaluations = sum(self.counts.get(name, 0) for name in EVALUATIONS)
        return evaluations / self.rate / self.at_once / 3600 if self.rate and evaluations else None


def estimate(plan: StudyPlan) -> Estimate:
    """Count what is not finished yet, and time the generator. Starts nothing and writes nothing."""
    ended = {each.number for each in read_records(plan.run.folder) if each.number < plan.spec.trials}
    missing = plan.spec.trials - len(ended)
    shared = [step for step in shared_steps(plan) if not step.is_done] if missing else []
    counts = cost_of(plan.base, shared)
    grid = plan.spec.sampler.name == "grid"
    points = _points(plan)
    asked = [point for number, point in enumerate(points) if not grid or number not in ended]
    trials, impossible = _cost(plan, asked, {step.run.name for step in shared}) if missing else ({}, 0)
    add(counts, trials, 1 if grid else missing / max(1, len(asked)))
    return Estimate(
        ended=len(ended),
        at_once=_at_once(plan, missing),
        shared=tuple(step.name for step in shared),
        counts=counts,
        drawn=0 if grid else len(asked),
        impossible=impossible,
        rate=_rate(plan) if missing else None,
    )


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


def _cost(plan: StudyPlan, points: Iterable[Point], counted: set[str]) -> tuple[dict[str, int], int]:
    """The summed cost of trials at these points, each run once; and how many points are impossible."""
    total: dict[str, int] = {}
    impossible = 0
    for number, point in enumerate(points):
        try:
            trial = plan_trial(plan.study, number, point, plan.base.catalog)
        except PreimageError:
            impossible += 1
            continue
        steps = [step for step in trial.steps if not step.is_done and step.run.name not in counted]
        counted |= {step.run.name for step in steps}
        add(total, cost_of(trial, steps))
    return total, impossible


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


def _rate(plan: StudyPlan) -> float | None:
    """Evaluations a second of the first point's generator: one image forward or backward is one."""
    generator = _generator(plan.base)
    if generator is None:
        return None
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(step.job.resources.cpus_per_worker for step in plan.base.steps))
    try:
        return _timed(generator)
    finally:
        torch.set_num_threads(before)


def _generator(plan: Plan) -> nn.Module | None:
    from preimage.models.build import build_generator
    from preimage.models.generator_folder import load_generator

    for step in plan.steps:
        if step.job.made_generator:
            return build_generator(step.job.made_generator)
        source = step.inputs.get("generator")
        if source and not source.step:
            return load_generator(source.folder)[0]
    return None


def _timed(generator: nn.Module) -> float:
    import torch

    from preimage.inversion.labels import classes_of, generate, spread_labels

    codes = torch.randn(BATCH, generator.config.latent_dim, requires_grad=True)  # pyright: ignore
    labels = spread_labels(BATCH, classes_of(generator), codes.device)
    generate(generator, codes, labels).square().mean().backward()  # the first batch takes longer
    begin, batches = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < SECONDS or not batches:
        generate(generator, codes, labels).square().mean().backward()
        batches += 1
    return 2 * BATCH * batches / passed
