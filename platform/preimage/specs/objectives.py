"""What a study optimizes, and what its training runs record: known before anything runs."""

from collections.abc import Collection, Mapping

from preimage.config import unknown
from preimage.jobs.base import Metric
from preimage.jobs.train.base import TrainJob
from preimage.specs.pipeline import Spec
from preimage.specs.search import SchedulerConfig
from preimage.specs.validation import Mistake
from preimage.training.config import LoopConfig


def check_reported(key: str, names: Collection[str], specs: list[Spec]) -> list[Mistake]:
    """Mistakes: the metrics named under a study's key that no step reports."""
    reported = list(dict.fromkeys(name for spec in specs for name in reports_of(spec)))
    places = names if isinstance(names, Mapping) else range(len(names))
    return [
        ((key, place), f"no trial reports {name if place != name else 'it'}: {_near(name, reported)}")
        for place, name in zip(places, names, strict=True)
        if name not in reported and not _in_a_table(name, specs)
    ]


def check_scheduler(scheduler: SchedulerConfig, specs: list[Spec]) -> list[Mistake]:
    """A scheduler's metric that no training run records, or several do."""
    metric = scheduler.metric
    if scheduler.name == "none" or metric is None:
        return []
    recorded = {name for spec in specs for each in training_runs(spec).values() for name in each.recorded()}
    if not recorded:
        problem = "no step trains, so there is nothing to stop early: use scheduler.name: none"
        return [(("scheduler", "name"), problem)]
    if metric not in recorded:
        return [
            (
                ("scheduler", "metric"),
                f"no training step of a trial records it: {_near(metric, sorted(recorded))}",
            )
        ]
    several = [names for spec in specs if len(names := recorders(spec, metric)) > 1]
    if several:
        problem = f"{' and '.join(several[0])} record it: choose a metric that only one step records"
        return [(("scheduler", "metric"), problem)]
    return []


def training_runs(spec: Spec) -> dict[str, TrainJob]:
    """The steps that train, by name."""
    return {name: job for name, job in spec.steps.items() if isinstance(job, TrainJob)}


def recorders(spec: Spec, metric: str) -> list[str]:
    """The steps that record a metric while they train."""
    return [name for name, config in training_runs(spec).items() if metric in config.recorded()]


def lowest_is_best(spec: Spec, metric: str) -> bool:
    """Whether a training run takes the lowest value of a recorded metric as the best."""
    for config in training_runs(spec).values():
        if config.loop.select_by == metric:
            return config.loop.lowest_is_best
    return LoopConfig(select_by=metric).lowest_is_best


def reports_of(spec: Spec) -> list[str]:
    """The metrics of a trial's outcome, as far as its jobs declare them.

    STEP.METRIC of a pipeline, METRIC of a single job.
    """
    return [name for name, metric in _declared(spec) if not (metric.is_table or metric.is_text)]


def _declared(spec: Spec) -> list[tuple[str, Metric]]:
    """The metrics of all steps, by their names in the outcome of the whole spec."""
    return [
        (f"{step}.{metric.name}" if spec.is_pipeline else metric.name, metric)
        for step, job in spec.steps.items()
        for metric in job.metrics()
    ]


def _in_a_table(name: str, specs: list[Spec]) -> bool:
    """Whether this may be a metric in a table, whose names only the run knows."""
    tables = (table for spec in specs for table, metric in _declared(spec) if metric.is_table)
    return any(name.startswith(f"{table}.") for table in tables)


def _near(name: str, known: list[str]) -> str:
    return unknown(name, known, "metric").partition("; ")[2] or "there are none"
