"""The runs of a pipeline's steps: one, or one for each seed, or one in each round; and what a step's name
means to later steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from preimage.jobs.base import Job
from preimage.jobs.references import references
from preimage.specs.validation import Mistake

SEEDS = "seeds"
"""The key of a step that runs once for each seed."""
LARGEST, MOST = 2**31 - 1, 1000
"""The largest seed, and the most runs of a step."""


@dataclass(frozen=True)
class StepRun:
    """One run of a step."""

    name: str
    """Its name among all runs: the step's, `<step>-2` in round 2 of `repeat` or with seed 2."""
    section: str
    step: str
    body: Any
    """The step's keys, with the seed of this run."""
    round: int = 0
    seeds: Mapping[str, Any] = field(default_factory=dict)
    """The key `seeds` as the spec has it, or nothing."""

    @property
    def seed(self) -> int | None:
        """The seed that this run is for; None if the step has one run."""
        return self.body["seed"] if self.seeds else None

    def plain(self, job: Job) -> dict[str, Any]:
        """The step's job as plain values, before its runs are expanded."""
        values = job.model_dump(mode="json", exclude={"seed"} if self.seeds else None)
        return values | dict(self.seeds)


def written_out(
    sections: Mapping[str, Mapping[str, Any]], rounds: int
) -> tuple[list[StepRun], list[Mistake]]:
    """All runs in the order they run, and the mistakes in `seeds`."""
    order: list[StepRun] = []
    mistakes: list[Mistake] = []
    for section, steps in sections.items():
        for number in range(1, rounds + 1) if section == "repeat" else (0,):
            for step, body in steps.items():
                seeds, problem = _seeds(section, body)
                order += _runs(section, str(step), body, seeds, number)
                mistakes += [((section, str(step), SEEDS), problem)] if problem and number < 2 else []
    return order, mistakes


def redirected(
    job: Job, versions: Mapping[str, Sequence[StepRun]], run: StepRun
) -> tuple[Job, list[tuple[str, str]]]:
    """A job whose references mean runs of the steps that they name; and by key, what is ambiguous.

    versions: the runs so far, by step. In a list a step's name stands for its runs with all seeds, and in
    `finally` for those of all rounds. Elsewhere it means the latest round, or the run with the same seed.
    """
    names: dict[str, list[str]] = {}
    mistakes: list[tuple[str, str]] = []
    for key, name in references(job).items():
        made = versions.get(str(name), ())
        in_list = key.split(".")[-1].isdigit()
        if made and made[-1].seeds and not in_list:
            made = [each for each in made if each.seed == run.seed]
            if not made:
                runs = ", ".join(each.name for each in versions[str(name)])
                mistakes.append((key, f"{str(name)!r} is several runs: name one of {runs}"))
        elif made and made[-1].round and run.section != "finally":
            made = made[-1:]
        if made:
            names[key] = [each.name for each in made]
    return _renamed(job, names), mistakes


def with_names(job: Job, names: Mapping[str, Sequence[str]]) -> Job:
    """A job with other names for its steps: in a list all new names of a step, elsewhere the last."""
    return _renamed(job, {key: names[name] for key, name in references(job).items() if str(name) in names})


def _renamed(job: Job, names: Mapping[str, Sequence[str]]) -> Job:
    """A job with other names at the dotted keys of some references."""
    values: Any = job.model_dump(mode="json")
    for key, new in reversed(list(names.items())):  # from the end, so that list indices stay valid
        *path, last = key.split(".")
        holder = values
        for part in path:
            holder = holder[int(part) if isinstance(holder, list) else part]
        if isinstance(holder, list):
            holder[int(last) : int(last) + 1] = new
        else:
            holder[last] = new[-1]
    return type(job).model_validate(values)


def _runs(section: str, step: str, body: Any, seeds: Sequence[int], number: int) -> list[StepRun]:
    """The runs of a step in one round: one, or one for each seed."""
    own = {key: each for key, each in body.items() if key != SEEDS} if isinstance(body, dict) else body
    if not seeds:
        return [StepRun(f"{step}-{number}" if number else step, section, step, own, number)]
    given = {SEEDS: body[SEEDS]}
    return [StepRun(f"{step}-{seed}", section, step, own | {"seed": seed}, seeds=given) for seed in seeds]


def _seeds(section: str, body: Any) -> tuple[list[int], str | None]:
    """The seeds of a step, none if it has one run; or why those that it gives cannot be used."""
    given = body.get(SEEDS) if isinstance(body, dict) else None
    if given is None:
        return [], None
    if section == "repeat":
        return [], "a repeated step has one run in each round: give the step before it several seeds instead"
    if "seed" in body:
        return [], "seed and seeds contradict each other: remove one of them"
    if type(given) is int and 1 <= given <= MOST:
        return list(range(1, given + 1)), None
    listed = given if isinstance(given, list) else []
    seeds = [each for each in listed if type(each) is int and 0 <= each <= LARGEST]
    if not seeds or seeds != given or len(set(seeds)) < len(seeds):
        rule = (
            f"must be a number up to {MOST}, such as 3 for the seeds 1, 2 and 3, or a list of distinct whole"
        )
        return [], f"{rule} numbers, but got {given!r}"
    return seeds, None
