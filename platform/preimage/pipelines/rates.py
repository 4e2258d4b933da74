"""How long steps will take, by what equal or similar runs took on the same hardware."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from preimage.config import ALIKE
from preimage.errors import PreimageError
from preimage.hardware import text
from preimage.jobs.base import Job
from preimage.jobs.references import images_named, references
from preimage.runs import attempts
from preimage.runs.metrics import flatten
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder, at_once
from preimage.storage.validated_json import LooseRecord, or_none

FILE = "cost.json"
LOOKED_AT = 300
"""Runs of a kind that are read at most: a root may hold thousands of trials."""
FEW = 10
"""From how many times the work of an earlier run its smallness is said."""
DECISIVE = ("images", "model", "generator", "generators", "classifier")
"""The first parts of keys without which a run of another value says nothing of this one's speed."""
DECISIVE_LAST = ("batch_size", "solver", "compile", "precision", "kind")
"""The last parts of such keys."""
AMOUNTS = ("seed", "total_images", "steps", "restarts", "restart_negative", "lr", "beta1", "beta2", "images")
"""The last parts of keys that decide how much is done, or what comes out, but not how fast it is."""


class Cost(LooseRecord):
    """cost.json: what a finished run's job cost."""

    run: str
    seconds: float
    cost: dict[str, int]
    hardware: dict[str, Any]
    pace: dict[str, Any]
    """The settings that may decide how fast it works: see `pace_of`."""


@dataclass(frozen=True)
class Measured:
    """How long a job would take, as an earlier run has it."""

    seconds: float
    run: str
    """The earlier run's name."""
    hardware: Mapping[str, Any]
    differs: tuple[str, ...]
    """Settings in which it differs, and which may change the speed."""
    rate: str
    """In words."""
    times: float
    """How many times its work this is."""

    @property
    def similar(self) -> str:
        if not self.differs:
            return ""
        more = f" and {len(self.differs) - 3} more" if len(self.differs) > 3 else ""
        return f"; similar, it differs in {', '.join(self.differs[:3])}{more}"


class Rates:
    """The runs under a root, by kind of job; each kind is read once."""

    def __init__(self, root: Folder) -> None:
        self._runs = root / "runs"
        self._known: dict[str, list[Cost]] = {}

    def measured(
        self,
        job: str,
        cost: Mapping[str, int],
        pace: Mapping[str, Any],
        hardware: Mapping[str, Any] | None,
    ) -> Measured | None:
        """By the most similar run, and of those the one of the nearest size; None without one.

        hardware: None if it is not known: then any counts."""
        fitting = [each for each in self._of(job) if hardware is None or each.hardware == hardware]
        fitting = [each for each in fitting if _decisive(each.pace) == _decisive(pace)]
        sized = [(each, times) for each in fitting if (times := _times(cost, each.cost))]
        if not sized:
            return None
        ordered = sorted(sized, key=lambda one: (len(_differing(pace, one[0].pace)), abs(log(one[1]))))
        best, times = ordered[0]
        seconds = times * best.seconds
        differs = tuple(_differing(pace, best.pace))
        return Measured(seconds, best.run, best.hardware, differs, rate_text(cost, seconds), times)

    def _of(self, job: str) -> list[Cost]:
        if job not in self._known:
            name = re.compile(re.escape(job) + r"-[0-9a-f]{10}(-r\d+)?")
            names = [each for each in self._runs.names() if name.fullmatch(each)]
            every = max(1, -(-len(names) // LOOKED_AT))
            places = [RunFolder(self._runs / each) for each in names[::every]]
            read = list(map(_cost, places)) if self._runs.is_local else at_once(_cost, places)
            self._known[job] = [each for each in read if each and each.seconds and each.cost]
        return self._known[job]


def record(run: RunFolder, cost: Mapping[str, int], pace: Mapping[str, Any]) -> None:
    """Keep what a run's job cost, if it is known how long it worked, and on what."""
    found = attempts.read(run)
    seconds, hardware = attempts.seconds(found), attempts.hardware(found)
    if seconds and hardware:
        about = {"run": run.name, "seconds": seconds, "cost": dict(cost), "hardware": hardware}
        run.folder.write_json(FILE, about | {"pace": dict(pace)})


def pace_of(job: Job, images: tuple[int, ...] | None, generator: Any) -> dict[str, Any]:
    """The settings of a job that may decide how fast it works, by dotted key.

    images: the shape of those it works on. generator: the config of the one it takes, if it takes one."""
    found = flatten(job.model_dump(mode="json", exclude={"resources", "data", "job"}, context=ALIKE))
    found = {key: value for key, value in found.items() if not _is_amount(key) and not _names_input(job, key)}
    found |= {"images.shape": list(images)} if images else {}
    if generator is not None:
        found |= flatten(generator.model_dump(mode="json"), "generator.")
    return found


def rate_text(cost: Mapping[str, int], seconds: float) -> str:
    """The first of its counts over the time, such as `2,310 images seen/s`."""
    name, count = next(iter(cost.items()))
    rate = count / max(seconds, 1e-9)
    plain = name.removesuffix(" at most").removesuffix(", about")
    return f"{rate:,.0f} {plain}/s" if rate >= 10 else f"{rate:,.2g} {plain}/s"


def basis(found: Measured, here: bool) -> str:
    """What an estimate rests on, in words."""
    where = "on this hardware" if here else "where it ran; the cluster's hardware is not known here"
    small = (
        f"; that run did 1/{found.times:,.0f} of the work, and its start counts" if found.times >= FEW else ""
    )
    return f"at {found.rate}: measured by {found.run} {where} ({text(found.hardware)}){found.similar}{small}"


def _cost(run: RunFolder) -> Cost | None:
    """What a run cost; None if it says nothing, or nothing that this version reads."""
    try:
        found = run.folder.find(FILE)
        value = None if found is None else or_none(found, run.folder / FILE, Cost)
    except PreimageError:
        return None
    return None if value is None else Cost.model_validate(value)


def _times(wanted: Mapping[str, int], known: Mapping[str, int]) -> float | None:
    """How many times the work: by the largest count that both have, the finest of their units."""
    shared = [name for name in wanted if known.get(name) and wanted[name]]
    if not shared:
        return None
    unit = max(shared, key=lambda name: known[name])
    return wanted[unit] / known[unit]


def _decisive(pace: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in pace.items()
        if (parts := key.split("."))[0] in DECISIVE or parts[-1] in DECISIVE_LAST
    }


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _is_amount(key: str) -> bool:
    last = key.split(".")[-1]
    return last in AMOUNTS or last.endswith("_every")


def _names_input(job: Job, key: str) -> bool:
    named = (*references(job), *images_named(job))
    return any(key == each or key.startswith(f"{each}.") for each in named)
