"""What needs what: which runs name another run's products, and which datasets are used.

An address counts by the names in it, wherever the results lay when it was written. Where a run cannot be
read, and of a submission that has not ended, every name in their files counts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from yaml import YAMLError

from preimage.cluster import submissions
from preimage.cluster.diagnosis import has_ended
from preimage.cluster.submissions import Submission
from preimage.housekeeping.found import STUDY, Found, find_all, parents, parts
from preimage.storage.folder import Folder
from preimage.storage.plain_yaml import load

_SEPARATORS = re.compile(r"[/?#\\\s\"',:\[\]{}=]+")


@dataclass(frozen=True)
class Need:
    """One thing needs another run."""

    by: str
    """The name of the run, or the id of the submission."""
    run: str
    product: str = ""
    """What of it; empty if that is not known, and so anything."""
    reason: str = ""
    """In words, such as `its generator`."""


class Needs:
    """All of a root, as it is now."""

    def __init__(self, root: Folder) -> None:
        self.root, self.found = root, find_all(root)
        self.pending = [each for each in submissions.list_all(root) if not has_ended(each)]
        self.parents = parents(self.found)
        self.parts = parts(self.parents)

    @cached_property
    def all(self) -> list[Need]:
        runs = [need for each in self.found.values() for need in self._of_run(each)]
        return runs + [need for each in self.pending for need in self._of_submission(each)]

    def of(self, run: str, product: str | None = None) -> list[Need]:
        """Who needs a run, or one of its products."""
        wanted = self._by_run.get(run, [])
        return wanted if product is None else [need for need in wanted if need.product in ("", product)]

    @cached_property
    def _by_run(self) -> dict[str, list[Need]]:
        by: dict[str, list[Need]] = {}
        for need in self.all:
            by.setdefault(need.run, []).append(need)
        return by

    def unfinished_parent(self, run: str) -> str | None:
        """A pipeline or study that has not finished and whose later steps may need the run."""
        for parent in self.parents[run]:
            if not self.found[parent].outcome:
                return parent
        about = self.found[run].about
        return next((name for name, steps in self._unfinished_steps if _is_step(about, steps)), None)

    @cached_property
    def _unfinished_steps(self) -> list[tuple[str, Any]]:
        """Of pipelines that have not finished: their steps by name. They may not have recorded their runs."""
        left = [each for each in self.found.values() if not each.outcome and not each.is_removing]
        left = [each for each in left if each.about.get("job") == "pipeline"]
        return [(each.name, spec_of(each.run.folder).get("steps", {})) for each in left]

    def _of_run(self, each: Found) -> Iterable[Need]:
        if each.is_removing:
            return
        if each.problem:
            for name in self._named_in(each.run.folder, ("run.json", "spec.yaml", "outcome.json")):
                yield Need(each.name, name, reason="it cannot be read, and its files name it")
        for key, used in each.about.get("inputs", {}).items():
            for name in self._names(used["address"]):
                yield Need(each.name, name, used["product"], f"its {key}")
        what = "trial" if each.about.get("job") == STUDY else "step"
        for name in self.parts.get(each.name, ()):
            title = self.found[name].about.get("name", "")
            yield Need(each.name, name, what, f"its {what} {title}".rstrip())

    def _of_submission(self, each: Submission) -> Iterable[Need]:
        for name in self._named_in(each.folder, ("spec.yaml", "run.json")):
            yield Need(each.id, name, reason="a submission that has not ended names it")

    def _named_in(self, folder: Folder, files: Iterable[str]) -> list[str]:
        found = [data for name in files if (data := folder.find(name))]
        return [
            name for name in self._names(b"\n".join(found).decode(errors="replace")) if name != folder.name
        ]

    def _names(self, text: str) -> list[str]:
        """The runs that a text names."""
        return [name for name in dict.fromkeys(_SEPARATORS.split(text)) if name in self.found]


def spec_of(folder: Folder) -> dict[str, Any]:
    """The resolved spec in a folder; empty if there is none that can be read."""
    try:
        found = load((folder.find("spec.yaml") or b"").decode())
    except (ValueError, YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_step(about: Mapping[str, Any], steps: Any) -> bool:
    body = steps.get(about.get("name")) if isinstance(steps, dict) else None
    return isinstance(body, dict) and body.get("job") == about.get("job")
