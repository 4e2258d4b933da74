"""How the runs of records were made, in one line: images, images seen, solvers, seeds where several."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from .records import Made, Record


def how(records: Iterable[Record], metrics: Iterable[str] = ()) -> str:
    """What decides the values of these runs. Nothing of it is typed: it stands in the records' specs.

    metrics: those in question. Of several steps of one kind, such as two ways to search, only those whose
    metrics they are count.
    """
    records, asked = list(records), {each.partition(".")[0] for each in metrics}
    every = [made for each in records for made in (each, *each.steps.values(), *each.made_from.values())]
    pipelines = [each.spec["steps"] for each in records if each.job == "pipeline"]
    others = {id(job) for steps in pipelines for job in _beside(steps, asked)}
    jobs = [job for made in every for job in _jobs(made.spec) if id(job) not in others]
    parts = [_images(every), _seen(jobs), _solvers(jobs), _seeds(jobs)]
    return "; ".join(filter(None, parts))


def took(record: Record) -> str:
    """How long it took, on what."""
    steps = [each.seconds for each in record.steps.values() if each.seconds is not None]
    seconds = max(sum(steps), record.seconds or 0.0)
    devices = {each for made in (record, *record.steps.values()) if (each := made.device)}
    return f"{_time(seconds)}, {'GPU' if 'cuda' in devices else record.instruction_set}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _beside(steps: dict[str, dict[str, Any]], asked: set[str]) -> list[dict[str, Any]]:
    """The steps that none of the metrics is of, though they are of the kind of one that has some."""
    kinds = {steps[name]["job"] for name in asked & steps.keys()}
    return [job for name, job in steps.items() if name not in asked and job["job"] in kinds]


def _jobs(value: Any) -> Iterator[dict[str, Any]]:
    """Every job within a spec: of a single one, of a pipeline's steps, of a study's trial."""
    if isinstance(value, dict):
        if isinstance(value.get("job"), str):
            yield value
            return
        for each in value.values():
            yield from _jobs(each)


def _images(every: Iterable[Made]) -> str:
    sets = {
        (re.sub(r"-[0-9a-f]{10}$", "", name), count) for made in every for name, count in made.images.items()
    }
    return ", ".join(f"{name} ({count:,})" if count else name for name, count in sorted(sets, key=str))


def _seen(jobs: Iterable[dict[str, Any]]) -> str:
    """Training runs by kind and number of images."""
    totals = Counter(
        (job["job"].removeprefix("train-"), total)
        for job in jobs
        if (total := (job.get("training") or {}).get("total_images"))
    )
    texts = [f"{kind} {total:,}{f' ({n} runs)' if n > 1 else ''}" for (kind, total), n in totals.items()]
    return f"images seen: {', '.join(texts)}" if texts else ""


def _solvers(jobs: Iterable[dict[str, Any]]) -> str:
    found = [job if "solver" in job else job.get("inversion") for job in jobs]
    texts = [f"{each['solver']}, at most {each['steps']:,} steps" for each in found if each]
    return "; ".join(dict.fromkeys(texts))


def _seeds(jobs: Iterable[dict[str, Any]]) -> str:
    seeds = sorted({job["seed"] for job in jobs if "seed" in job})
    return f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else ""
