"""What can go by itself: checkpoints of finished runs, datasets that nothing uses, old submissions, and what
killed processes left."""

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from preimage.cluster import submissions
from preimage.cluster.diagnosis import has_ended
from preimage.cluster.submissions import Submission
from preimage.housekeeping import datasets
from preimage.housekeeping.datasets import Prepared
from preimage.housekeeping.listing import age
from preimage.housekeeping.needs import Needs
from preimage.housekeeping.remove import ordered, run_item
from preimage.housekeeping.take import InUse, Item, take
from preimage.readable import DAY, HOUR
from preimage.storage.folder import Folder
from preimage.storage.local import TEMPORARY
from preimage.storage.removal import is_marked

KINDS = ("checkpoints", "datasets", "submissions", "temporary", "ray")
LONG = 30 * DAY
"""Seconds after which a submission that has ended is old, also if no later one replaced it."""
WRITING = HOUR
"""Seconds in which a temporary file may still be written, whatever age is asked for."""
TOGETHER = 16
"""Things that are claimed at a time."""


@dataclass(frozen=True)
class PrunePlan:
    """What pruning would do."""

    root: Folder
    items: tuple[Item, ...]
    kept: tuple[tuple[str, str], ...]
    """What stays though it is old enough: (address, why)."""


def plan_prune(root: Folder, kinds: Collection[str] = KINDS, older_than: float = DAY) -> PrunePlan:
    """What can go of these kinds, and the rest of what interrupted removals left.

    older_than: seconds since anything of it was last written. Raises StorageError."""
    needs, found = Needs(root), list[Item]()
    finders: dict[str, Callable[[Needs], Iterator[Item]]] = {
        "checkpoints": _checkpoints,
        "datasets": _datasets,
        "submissions": _submissions,
        "temporary": _temporary,
        "ray": _ray,
    }
    found += _begun(needs)
    for kind in KINDS:
        if kind in kinds:
            found += finders[kind](needs)
    items, kept = list[Item](), list[tuple[str, str]]()
    for each in found:
        newest, total = _measured(each)
        begun = each.kind == "rest"  # what is needed after all is freed of its mark when it is taken
        if not begun and time.time() - newest < max(older_than, WRITING * bool(each.files)):
            continue
        if not begun and (why := each.why_kept(needs)):
            kept.append((each.address, why))
        else:
            items.append(replace(each, bytes=total))
    return PrunePlan(root, tuple(items), tuple(kept))


def prune(plan: PrunePlan) -> list[tuple[Item, str]]:
    """Remove what a plan names. Returns what stayed after all, and why."""
    stayed: list[tuple[Item, str]] = []
    for start in range(0, len(plan.items), TOGETHER):
        stayed += _some(plan, plan.items[start : start + TOGETHER])
    return stayed


def _some(plan: PrunePlan, items: Sequence[Item]) -> list[tuple[Item, str]]:
    try:
        return take(items, lambda: Needs(plan.root))
    except InUse as error:
        if len(items) == 1:
            return [(items[0], str(error))]
        return [each for item in items for each in _some(plan, [item])]


def _checkpoints(needs: Needs) -> Iterator[Item]:
    for each in needs.found.values():
        folder = each.run.product("checkpoints")
        if each.outcome and (saved := folder.entries()):
            first = tuple(f"{one.name}/meta.json" for one in saved if not one.is_file)
            why = "its run is finished"
            yield Item("checkpoints", folder, each.run.folder, first, _needs_checkpoints(each.name), why)


def _needs_checkpoints(run: str) -> Callable[[Needs], str]:
    def why_kept(needs: Needs) -> str:
        if run not in needs.found or not needs.found[run].outcome:
            return "its run is no longer finished"
        if found := needs.of(run, "checkpoints"):
            return f"{found[0].by} needs them ({found[0].reason})"
        parent = needs.unfinished_parent(run)
        return f"{parent} is not finished, and may need them" if parent else ""

    return why_kept


def _datasets(needs: Needs) -> Iterator[Item]:
    for each in datasets.all_prepared(needs.root):
        folder, first = each.folder, (datasets.MANIFEST,)
        yield Item("dataset", folder, folder, first, _uses_dataset(each), "no run uses it")
        for alias in datasets.aliases(needs.root, folder.name):
            why = f"it only names {folder.name}"
            yield Item("dataset", alias, alias, (datasets.ALIAS,), _uses_dataset(each), why)


def _uses_dataset(dataset: Prepared) -> Callable[[Needs], str]:
    return lambda needs: datasets.why_kept(dataset, needs)


def _submissions(needs: Needs) -> Iterator[Item]:
    latest: dict[str, Submission] = {}
    listed = submissions.list_all(needs.root)
    for each in listed:
        latest[each.fingerprint] = each
    for each in listed:
        later = latest[each.fingerprint]
        replaced = later.id != each.id
        if not has_ended(each) or not (replaced or age(each.record["created"]) > LONG):
            continue
        why = f"it ended, and {later.id} is of the same plan" if replaced else "it ended long ago"
        yield Item("submission", each.folder, None, ("submission.json",), _has_not_ended(each), why)


def _has_not_ended(submission: Submission) -> Callable[[Needs], str]:
    return lambda needs: "" if has_ended(submission) else "it runs again"


def _temporary(needs: Needs) -> Iterator[Item]:
    """Files that a killed process was writing. An object store has none: what is not whole is not there."""
    if not needs.root.is_local:
        return
    for place in ("runs", "datasets", *datasets.IMPORTS, "submissions"):
        for where, _, names in os.walk((needs.root / place).path):
            for name in names:
                if name.startswith(".") and name.endswith(TEMPORARY):
                    why = "whoever was writing it was killed"
                    yield Item("temporary", Folder.at(where), None, (), lambda _: "", why, (name,))


def _ray(needs: Needs) -> Iterator[Item]:
    for each in needs.found.values():
        folder = each.run.folder / "ray"
        if each.outcome and folder.names():
            yield Item("ray", folder, each.run.folder, (), _is_unfinished(each.name), "its run is finished")


def _is_unfinished(run: str) -> Callable[[Needs], str]:
    return lambda needs: "" if run in needs.found and needs.found[run].outcome else "its run is not finished"


def _begun(needs: Needs) -> Iterator[Item]:
    """What interrupted removals left."""
    yield from _rest_of_runs(needs)
    for each in (needs.root / "datasets").entries():
        folder = needs.root / "datasets" / each.name
        if not each.is_file and is_marked(folder):
            yield Item("rest", folder, folder, (datasets.MANIFEST,), lambda _: "", _REST)
    for each in (needs.root / "submissions").entries():
        folder = needs.root / "submissions" / each.name
        if not each.is_file and is_marked(folder):
            yield Item("rest", folder, None, ("submission.json",), lambda _: "", _REST)


_REST = "its removal was interrupted"


def _rest_of_runs(needs: Needs) -> Iterator[Item]:
    runs = needs.root / "runs"
    for each in runs.entries():
        if not each.is_file and each.name not in needs.found and not (runs / each.name).names():
            yield Item("rest", runs / each.name, runs / each.name, (), lambda _: "", "nothing is in it")
    marked = [name for name, each in needs.found.items() if each.is_removing or is_marked(each.run.folder)]
    for name in ordered(needs, marked):
        yield replace(run_item(needs, name, marked), kind="rest", why=_REST)
    for each in needs.found.values():
        for part in ("checkpoints", "ray"):
            folder = each.run.folder / part
            if each.name not in marked and is_marked(folder):
                kept = _needs_checkpoints(each.name) if part == "checkpoints" else lambda _: ""
                yield Item("rest", folder, each.run.folder, (), kept, _REST)


def _measured(item: Item) -> tuple[float, int]:
    """When anything of it was last written, in seconds since 1970, and how many bytes it has."""
    if item.files:
        found = [each for each in item.folder.everything() if each.name in item.files]
        return max((each.modified_ns / 1e9 for each in found), default=0.0), sum(each.size for each in found)
    found = item.folder.everything()
    newest = max(
        (each.modified_ns / 1e9 for each in found if each.name not in (".lock", ".claim")), default=0
    )
    return newest, sum(each.size for each in found)
