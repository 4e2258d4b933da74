"""What a study seeks in its trials, and what their trainings record: known before anything runs."""

from collections.abc import Iterable

from preimage.jobs.config import JobConfig
from preimage.jobs.registry import JOBS
from preimage.jobs.train.base import LearnConfig
from preimage.specs.load import Spec
from preimage.specs.search import SchedulerConfig
from preimage.specs.validation import Mistake, unknown
from preimage.training.config import LoopConfig


def check_sought(objectives: Iterable[str], scheduler: SchedulerConfig, specs: list[Spec]) -> list[Mistake]:
    """Objectives that no step reports, and a scheduler's metric that no training records."""
    mistakes: list[Mistake] = []
    reported = list(dict.fromkeys(name for spec in specs for name in reports_of(spec)))
    for name in objectives:
        if name not in reported and not _nested(name, specs):
            mistakes.append((("objectives", name), f"no trial reports it: {_near(name, reported)}"))
    metric = scheduler.metric
    if scheduler.name != "none" and metric is not None:
        mistakes += _check_scheduler(metric, specs)
    return mistakes


def trainings(spec: Spec) -> dict[str, LearnConfig]:
    """The steps that train, by name."""
    return {name: config for name, config in spec.steps.items() if isinstance(config, LearnConfig)}


def recorders(spec: Spec, metric: str) -> list[str]:
    """The steps that record a metric while they train."""
    return [name for name, config in trainings(spec).items() if metric in config.recorded()]


def lowest_is_best(spec: Spec, metric: str) -> bool:
    """Which of a recorded metric's values a training takes for the best."""
    for config in trainings(spec).values():
        if config.loop.select_by == metric:
            return config.loop.lowest_is_best
    return LoopConfig(select_by=metric).lowest_is_best


def reports_of(spec: Spec) -> list[str]:
    """What a trial's outcome will say, as far as its jobs declare it.

    STEP.METRIC of a pipeline, METRIC of a single job.
    """
    return [
        f"{step}.{metric}" if spec.is_pipeline else metric
        for step, config in spec.steps.items()
        for metric in _declared(config)
    ]


def _check_scheduler(metric: str, specs: list[Spec]) -> list[Mistake]:
    recorded = {name for spec in specs for each in trainings(spec).values() for name in each.recorded()}
    if not recorded:
        return [(("scheduler", "name"), "no step is a training: there is nothing to give up early")]
    if metric not in recorded:
        return [
            (("scheduler", "metric"), f"no training of a trial records it: {_near(metric, sorted(recorded))}")
        ]
    several = [names for spec in specs if len(names := recorders(spec, metric)) > 1]
    if several:
        problem = f"{' and '.join(several[0])} record it: choose a metric that one step alone records"
        return [(("scheduler", "metric"), problem)]
    return []


def _declared(config: JobConfig) -> tuple[str, ...]:
    job = JOBS[config.job]
    return job.reports(config) if job.reports else job.headline


def _nested(name: str, specs: list[Spec]) -> bool:
    """Whether a job that declares nothing but its headline may report this in a table of it."""
    for spec in specs:
        for step, config in spec.steps.items():
            if not JOBS[config.job].reports:
                heads = [f"{step}.{each}" if spec.is_pipeline else each for each in JOBS[config.job].headline]
                if any(name.startswith(f"{head}.") for head in heads):
                    return True
    return False


def _near(name: str, known: list[str]) -> str:
    return unknown(name, known, "metric").partition("; ")[2] or "there are none"
