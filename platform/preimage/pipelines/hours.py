"""How long a plan takes: by runs that were measured, or, if asked for, by its generator, timed now."""

import os
from collections.abc import Sequence
from typing import Any

from preimage import hardware
from preimage.config import Resources
from preimage.pipelines.compatibility import generator_of
from preimage.pipelines.cost import cost_of
from preimage.pipelines.description import Time
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.rates import Measured, Rates, basis, pace_of
from preimage.readable import duration
from preimage.runs import attempts

EVALUATIONS = ("generator evaluations", "generator evaluations at most")


def time_of(plan: Plan, step: PlannedStep, rates: Rates, here: bool = True, measure: bool = False) -> Time:
    """How long a step that is not finished takes.

    here: whether it runs on this machine; elsewhere the hardware is not known. measure: time the generator if
    no run tells."""
    here = here and runs_here(step.job.resources)
    found = measured(plan, step, rates, here)
    if not found:
        return _timed(plan, step) if measure and here else Time(None, _unknown(plan, step, here))
    text = basis(found, here) + _without_images(plan, step)
    worked = attempts.seconds(attempts.read(step.run)) or 0.0 if step.state == "begun" else 0.0
    if worked:
        text = f"after {duration(worked)} of work before; {text}"
    return Time(max(0.0, found.seconds - worked), text)


def in_all(parts: Sequence[tuple[str, Time]]) -> Time:
    """The time of several steps, by name: what is known of them, and what is not."""
    known = [(name, time) for name, time in parts if time.seconds is not None]
    left = [name for name, time in parts if time.seconds is None]
    if not known:
        return Time(None, f"no earlier run tells of {', '.join(left)}" if left else "nothing is left to do")
    total = sum(time.seconds or 0.0 for _, time in known)
    missing = f"; not known: {', '.join(left)}" if left else ""
    return Time(total, f"for {', '.join(name for name, _ in known)}{missing}")


def measured(plan: Plan, step: PlannedStep, rates: Rates, here: bool) -> Measured | None:
    """How long a step takes by earlier runs."""
    counts = cost_of(plan, [step])
    on = hardware_here(step.job.resources) if here else None
    return rates.measured(step.job.job, counts, pace_in(plan, step), on) if counts else None


def pace_in(plan: Plan, step: PlannedStep) -> dict[str, Any]:
    """The settings of a step that may decide how fast it works."""
    earlier = plan.by_name
    source = step.inputs.get("generator")
    known = source and (not source.step or earlier[source.step].job.made_generator)
    generator = generator_of(source, earlier)[0] if source and known else None
    return pace_of(step.job, step.data.shape if step.data else None, generator)


def hardware_here(resources: Resources) -> dict[str, Any]:
    """What a job would work on if it ran on this machine."""
    machine = hardware.machine()
    on_gpu = resources.gpu is True or (resources.gpu == "auto" and "gpu" in machine)
    cores = resources.workers * resources.cpus_per_worker
    return hardware.used(machine, cores, on_gpu, not resources.deterministic)


def runs_here(resources: Resources) -> bool:
    """Whether a job runs on this machine, as far as that is known."""
    return resources.backend == "local" or os.environ.get("RAY_ADDRESS", "local") == "local"


def _timed(plan: Plan, step: PlannedStep) -> Time:
    evaluations = sum(cost_of(plan, [step]).get(name, 0) for name in EVALUATIONS)
    if not evaluations:
        return Time(None, "no earlier run on this hardware, and it does not count generator evaluations")
    from preimage.pipelines.timed_generator import evaluations_per_second  # imports torch

    rate = evaluations_per_second(plan, step)
    if not rate:
        return Time(None, "no earlier run on this hardware, and its generator is not known yet")
    text = f"for generator evaluations alone: this machine now does {rate:,.0f} a second of its generator"
    return Time(evaluations / rate, text + _without_images(plan, step))


def _unknown(plan: Plan, step: PlannedStep, here: bool) -> str:
    if not here:
        return "the cluster's hardware is not known here, and no earlier run under these results is like it"
    on = hardware.text(hardware_here(step.job.resources))
    counts = cost_of(plan, [step])
    hint = "; `preimage plan --measure` times the generator" if counts.keys() & set(EVALUATIONS) else ""
    return f"no earlier run like it on this hardware ({on}){hint}"


def _without_images(plan: Plan, step: PlannedStep) -> str:
    unprepared = step.data and not plan.catalog.is_prepared(step.data)
    return "; without preparing its images" if unprepared else ""
