"""Which rounds of a pipeline run: those until their metric no longer falls."""

from collections.abc import Set
from itertools import pairwise

from preimage.jobs.base import Job
from preimage.pipelines.plan import Earlier, PlannedStep
from preimage.runs.metrics import plain_name
from preimage.specs.rounds import Rounds
from preimage.specs.step_runs import with_names


def skipped(rounds: Rounds | None, steps: Earlier) -> Set[str]:
    """The steps of the rounds to skip, as far as finished runs tell."""
    if not rounds or not rounds.watched:
        return frozenset()
    values = [_metric(steps[name], rounds.metric) for name in rounds.watched]
    for number, (before, after) in enumerate(pairwise(values), 1):
        if before is not None and after is not None and not after < before:
            return {name for later in rounds.steps[number:] for name in later}
    return frozenset()


def without(job: Job, steps: Set[str]) -> Job:
    """The job without these steps in its lists."""
    return with_names(job, dict.fromkeys(steps, ()))


def _metric(step: PlannedStep, name: str) -> float | None:
    outcome = step.run.outcome()
    return outcome.metrics[plain_name(name)] if outcome else None
