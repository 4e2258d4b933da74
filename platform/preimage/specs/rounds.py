"""Pipelines that repeat steps: the rounds written out, and what a name means in each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preimage.jobs.base import Job
from preimage.jobs.references import references
from preimage.specs.models import Pipeline
from preimage.specs.validation import Mistake, unknown


@dataclass(frozen=True)
class Round:
    """What one step of a pipeline was written out to."""

    name: str
    """Its name in the pipeline: in round 2 of `repeat` it is <step>-2."""
    section: str
    step: str
    body: Any
    round: int = 0


@dataclass(frozen=True)
class Rounds:
    """The rounds of a pipeline."""

    steps: tuple[tuple[str, ...], ...]
    """The names of the steps of each round."""
    watched: tuple[str, ...]
    """The step whose metric says whether another round is worth while: what it is called before the first
    round, and in each; none where all rounds are done."""
    metric: str
    written: dict[str, Any]
    """The pipeline's own keys, as plain values, before the rounds were written out."""


def written_out(sections: Mapping[str, Mapping[str, Any]], rounds: int) -> Iterator[Round]:
    """All steps in the order that they run."""
    for section, steps in sections.items():
        times = range(1, rounds + 1) if section == "repeat" else (0,)
        for number in times:
            for step, body in steps.items():
                yield Round(f"{step}-{number}" if number else str(step), section, str(step), body, number)


def redirected(job: Job, versions: Mapping[str, Sequence[str]], section: str) -> Job:
    """A job whose names of earlier steps mean what was last made by them.

    versions: the names of what was made so far, by step. In `finally` a name in a list stands for all of
    them.
    """
    if section == "steps":
        return job
    return with_names(
        job, versions if section == "finally" else {key: made[-1:] for key, made in versions.items()}
    )


def with_names(job: Job, names: Mapping[str, Sequence[str]]) -> Job:
    """A job that names other steps: in a list all of those that stand for a name, elsewhere the last."""
    values: Any = job.model_dump(mode="json")
    for key, name in reversed(references(job).items()):  # from the end: a list's places stay where they are
        if name in names:
            *path, last = key.split(".")
            holder = values
            for part in path:
                holder = holder[int(part) if isinstance(holder, list) else part]
            if isinstance(holder, list):
                place = int(last)
                holder[place : place + 1] = names[name]
            else:
                holder[last] = names[name][-1]
    return type(job).model_validate(values)


def rounds_of(
    head: Pipeline,
    order: Sequence[Round],
    plain: dict[str, dict[str, Any]],
    jobs: Mapping[str, Job],
) -> tuple[Rounds | None, list[Mistake]]:
    """The rounds of a pipeline that repeats steps, and what is wrong with how it says that.

    plain: its steps by section, as they were before the rounds were written out.
    """
    repeated = [each.step for each in order if each.round == 1]
    wrong: list[Mistake] = []
    for key in ("rounds", "repeat_while_improving"):
        if not repeated and key in head.model_fields_set and getattr(head, key) not in (1, None):
            wrong.append(((key,), "nothing is repeated: put steps under `repeat`"))
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
                    f"the first {step} is made in a round: put one under `steps` too",
                )
            )
        if metric not in known:
            wrong.append(
                (("repeat_while_improving",), f"{metric!r}: {unknown(metric, known, 'metric of it')}")
            )
        last = {each.name for each in order if each.round}
        for each in order:
            if each.section == "finally" and each.name in jobs:
                for key, name in references(jobs[each.name]).items():
                    if name in last and not key.split(".")[-1].isdigit():
                        what = "which round is the last is known only when it is done: name it in a list"
                        wrong.append((("finally", each.step, *key.split(".")), what))
    steps = tuple(
        tuple(each.name for each in order if each.round == number) for number in range(1, head.rounds + 1)
    )
    written = plain | {"rounds": head.rounds, "repeat_while_improving": head.repeat_while_improving}
    return (None if wrong else Rounds(steps, watched, metric, written)), wrong
