"""Pipelines that repeat steps: their rounds expanded, and what a step's name means in each round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preimage.config import unknown
from preimage.jobs.base import Job
from preimage.jobs.references import references
from preimage.specs.models import Pipeline
from preimage.specs.step_runs import StepRun
from preimage.specs.validation import Mistake


@dataclass(frozen=True)
class Rounds:
    """The rounds of a pipeline."""

    steps: tuple[tuple[str, ...], ...]
    """The names of the steps in each round."""
    watched: tuple[str, ...]
    """The step whose metric decides whether another round runs: its name before the first round, and in each
    round. Empty if all rounds run."""
    metric: str
    written: dict[str, Any]
    """The pipeline's own keys as plain values, before the rounds are expanded."""


def rounds_of(
    head: Pipeline,
    order: Sequence[StepRun],
    plain: dict[str, dict[str, Any]],
    jobs: Mapping[str, Job],
) -> tuple[Rounds | None, list[Mistake]]:
    """The rounds of a pipeline that repeats steps, and the mistakes in them.

    plain: its steps by section, before the rounds are expanded.
    """
    repeated = [each.step for each in order if each.round == 1]
    wrong: list[Mistake] = []
    asked = {"rounds": head.rounds > 1, "repeat_while_improving": head.repeat_while_improving is not None}
    if not repeated:
        wrong = [
            ((key,), "no step repeats: put steps under `repeat`") for key, given in asked.items() if given
        ]
    if wrong or not repeated:
        return None, wrong
    step, _, metric = (head.repeat_while_improving or "").partition(".")
    watched = tuple(each.name for each in order if each.step == step and each.section != "finally")
    if head.repeat_while_improving and step not in repeated:
        wrong.append((("repeat_while_improving",), f"{step!r}: {unknown(step, repeated, 'repeated step')}"))
    elif head.repeat_while_improving and watched[0] in jobs:
        declared = jobs[watched[0]].metrics()
        known = [each.name for each in declared if not (each.is_table or each.is_text or "." in each.name)]
        if len(watched) == head.rounds:
            wrong.append(
                (
                    ("repeat_while_improving",),
                    f"{step} must also run before the first round: put one under `steps` too",
                )
            )
        if metric not in known:
            wrong.append(
                (("repeat_while_improving",), f"{metric!r}: {unknown(metric, known, f'metric of {step}')}")
            )
        last = {each.name for each in order if each.round}
        for each in order:
            if each.section == "finally" and each.name in jobs:
                for key, name in references(jobs[each.name]).items():
                    if name in last and not key.split(".")[-1].isdigit():
                        what = "the last round is known only when it is done: name the step in a list"
                        wrong.append((("finally", each.step, *key.split(".")), what))
    steps = tuple(
        tuple(each.name for each in order if each.round == number) for number in range(1, head.rounds + 1)
    )
    written = plain | {"rounds": head.rounds, "repeat_while_improving": head.repeat_while_improving}
    return (None if wrong else Rounds(steps, watched, metric, written)), wrong
