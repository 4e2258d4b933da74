"""List runs: what each is, how far it is, what came out, and what it takes."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from preimage.errors import PreimageError
from preimage.housekeeping.found import Found, all_parts, find_all, parents, parts
from preimage.runs import attempts
from preimage.runs.metrics import flatten
from preimage.runs.run_folder import Outcome
from preimage.runs.states import state_of
from preimage.storage.folder import Folder, at_once

STATES = ("finished", "running", "interrupted", "failed", "half removed", "unreadable")
HEADLINES = 2
"""Metrics of a run that are shown."""


@dataclass(frozen=True)
class RunEntry:
    """One run."""

    name: str
    job: str
    title: str
    """Its name in the spec: a pipeline's step, or the spec itself."""
    state: str
    """One of STATES."""
    created: str
    """ISO, in UTC."""
    folder: str
    progress: float | None = None
    """The share of the work that is done, of a run that is not finished, where it says so."""
    headline: Mapping[str, Any] | None = None
    seconds: float | None = None
    """How long its job worked, over all attempts."""
    why: str = ""
    """Why it failed, or cannot be read."""
    parents: tuple[str, ...] = ()
    """The pipelines and studies that it is part of."""
    parts: tuple[str, ...] = ()
    """A pipeline's steps and a study's trials, by the names of their runs."""
    bytes: int | None = None
    """Of all its files, and if its parts are not listed, of theirs; None if it was not asked for."""

    def plain(self) -> dict[str, Any]:
        """As plain values, without those that say nothing."""
        return {key: value for key, value in vars(self).items() if value not in (None, "", (), {})}


def list_runs(
    root: Folder,
    *,
    every: bool = False,
    jobs: Collection[str] = (),
    states: Collection[str] = (),
    limit: int | None = None,
    sizes: bool | None = None,
) -> list[RunEntry]:
    """The runs under a root, the newest last.

    every: those of pipelines' steps and studies' trials too, each after the run that it is part of. jobs,
    states: only these. limit: at most so many, the newest. sizes: also how many bytes each takes; by default
    where the root is local, for elsewhere every file has to be listed; unless `every`, with its parts. Raises
    StorageError."""
    found = find_all(root)
    above = parents(found)
    below = parts(above)
    wanted = [each for each in found.values() if every or not above[each.name]]
    if jobs:
        wanted = [each for each in wanted if each.about.get("job") in jobs]
    if limit is not None and not states:
        wanted = wanted[-limit:] if limit else []
    entries = _map(root, lambda each: _entry(each, found, above, below), wanted)
    entries = [each for each in entries if not states or each.state in states]
    entries = entries[-limit:] if limit else entries
    if sizes or (sizes is None and root.is_local):
        own = _Sizes(found, below)
        totals = _map(root, lambda each: own.of(each.name, folded=not every), entries)
        entries = [replace(each, bytes=total) for each, total in zip(entries, totals, strict=True)]
    return nested(entries)


def nested(entries: list[RunEntry]) -> list[RunEntry]:
    """Each run after the one that it is part of, if that is there too; otherwise in their order."""
    shown = {each.name for each in entries}
    below: dict[str | None, list[RunEntry]] = {}
    for each in entries:
        below.setdefault(next((one for one in each.parents if one in shown), None), []).append(each)
    ordered: list[RunEntry] = []

    def add(parent: str | None) -> None:
        for each in below.pop(parent, []):
            ordered.append(each)
            add(each.name)

    add(None)
    return ordered


def depth(entry: RunEntry, shown: Mapping[str, RunEntry]) -> int:
    """How many of the runs around it are shown above it."""
    around = next((shown[one] for one in entry.parents if one in shown), None)
    return 0 if around is None else 1 + depth(around, shown)


def size_of(folder: Folder) -> int:
    """How many bytes a folder holds, by one listing."""
    return sum(each.size for each in folder.everything())


@dataclass(frozen=True)
class _Sizes:
    """How many bytes runs hold; each is listed once."""

    found: Mapping[str, Found]
    below: Mapping[str, list[str]]
    known: dict[str, int] = field(default_factory=dict)

    def of(self, name: str, folded: bool) -> int:
        """folded: with its parts, and theirs."""
        parts = all_parts([name], self.below) if folded else set[str]()
        return sum(map(self._own, {name, *parts}))

    def _own(self, name: str) -> int:
        if name not in self.known:
            self.known[name] = size_of(self.found[name].run.folder)
        return self.known[name]


def age(created: str, now: float | None = None) -> float:
    """Seconds since a moment in ISO."""
    return (time.time() if now is None else now) - datetime.fromisoformat(created).timestamp()


def _map(root: Folder, call: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return list(map(call, values)) if root.is_local else at_once(call, values)


def _entry(
    each: Found,
    found: Mapping[str, Found],
    above: Mapping[str, list[str]],
    below: Mapping[str, list[str]],
) -> RunEntry:
    folder, about = each.run.folder, each.about
    own = below.get(each.name, [])
    state, why = _state(each, [found[name] for name in own])
    known = own if about.get("job") == "pipeline" else []
    return RunEntry(
        name=each.name,
        job=about.get("job", "-"),
        title=about.get("name", ""),
        state=state,
        created=about.get("created", ""),
        folder=folder.uri,
        progress=_progress(each) if state in ("running", "interrupted") else None,
        headline=_headline(each),
        seconds=_seconds(each),
        why=why,
        parents=tuple(above[each.name]),
        parts=tuple(dict.fromkeys([*each.parts, *known])),
    )


def _state(each: Found, parts: Sequence[Found]) -> tuple[str, str]:
    if each.problem:
        return "unreadable", each.problem
    if each.is_removing:
        return "half removed", "`preimage runs prune` finishes that"
    left = [one.attempts for one in parts if not one.outcome]
    return state_of(each.run, each.about.get("job", ""), each.outcome, each.attempts, left)


def _seconds(each: Found) -> float | None:
    if each.outcome:
        return each.outcome.seconds
    return attempts.seconds(each.attempts) or None


def _progress(each: Found) -> float | None:
    try:
        state = each.run.progress()
    except PreimageError:
        return None
    return min(1.0, state["done"] / state["total"]) if state and state["total"] else None


def _headline(each: Found) -> dict[str, Any] | None:
    """The first of its headline metrics; of a pipeline, that of each of its last steps. A run of an earlier
    version does not say which these are: then its first numbers."""
    if not each.outcome:
        return None
    named = list((each.outcome.headlines or _numbers(each.outcome)).items())
    if each.outcome.steps:
        first = {name.partition(".")[0]: (name, value) for name, value in reversed(named)}
        named = list(reversed(first.values()))[-HEADLINES:]
    return dict(named[:HEADLINES]) or None


def _numbers(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in flatten(outcome.metrics).items() if isinstance(value, int | float)}
