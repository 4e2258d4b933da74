"""A submission's folder: a job that was given to a cluster, also when the cluster is gone.

results/submissions/<id>/
submission.json  what was submitted, by whom, to which cluster, and the run that it makes
spec.yaml        the resolved spec; `preimage submit <id>` submits it again
code.zip         the package as it was uploaded
state.json       how it goes, written by the job itself
stop.json        that someone asked it to stop
logs/            its output, ATTEMPT-PART.txt
"""

import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from preimage.errors import SpecError
from preimage.storage.folder import Folder
from preimage.storage.host_info import SUBMISSION, now, user
from preimage.storage.validated_json import LooseRecord, read_validated

ENDED = ("finished", "failed", "stopped")
Place = tuple[str, int]
"""In a submission's output: the name of a file in logs/, and bytes of it."""
BEGINNING: Place = ("", 0)


class _Upload(LooseRecord):
    sha256: str


class _Record(LooseRecord):
    """submission.json."""

    id: str
    name: str
    run: str
    fingerprint: str
    address: str
    created: str
    user: str
    host: str
    git_commit: str | None
    upload: _Upload


class _State(LooseRecord):
    """state.json."""

    attempt: int
    state: str
    host: str
    pid: int
    ray_job: str | None
    time: str


@dataclass(frozen=True)
class Submission:
    """One submission; it may have been attempted several times, each going on where the last one ended."""

    folder: Folder

    @property
    def id(self) -> str:
        """Also its id in Ray."""
        return self.folder.path.rsplit("/", 1)[-1]

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was submitted: written once, so read once. Raises StorageError where it was altered."""
        return read_validated(self.folder, "submission.json", _Record)

    def state(self) -> dict[str, Any]:
        """What the job said of itself last; nothing before it ran. Raises StorageError, as `record`."""
        there = self.folder.exists("state.json")
        return read_validated(self.folder, "state.json", _State) if there else {}

    def update(self, state: dict[str, Any]) -> None:
        self.folder.write_json("state.json", state | {"time": now()})

    @property
    def logs(self) -> Folder:
        return self.folder / "logs"

    def output(self) -> str:
        """All that it printed, attempt after attempt."""
        return self.printed(BEGINNING)[0].decode(errors="replace")

    def printed(self, since: Place) -> tuple[bytes, Place]:
        """What it printed since a place in its output, and where that ends; earlier files are not read."""
        found, (last, size) = bytearray(), since
        for name in self.logs.names():
            if name >= last:
                data = self.logs.read(name)
                found += data[size if name == last else 0 :]
                last, size = name, len(data)
        return bytes(found), (last, size)

    def ask_to_stop(self) -> None:
        self.folder.write_json("stop.json", {"by": user(), "time": now()})

    def asked_to_stop(self) -> bool:
        return self.folder.exists("stop.json")


def create(results: Folder, name: str) -> Submission:
    """A folder for a new submission of a spec of this name. Nothing is written yet."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "job"
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Submission(_all(results) / f"{plain}-{moment}-{secrets.token_hex(2)}")


def list_all(results: Folder) -> list[Submission]:
    """The submissions of these results, the newest last."""
    found = [Submission(_all(results) / name) for name in _all(results).names()]
    there = [each for each in found if each.folder.exists("submission.json")]
    return sorted(there, key=lambda each: (each.record["created"], each.id))


def find(results: Folder, name: str) -> Submission:
    """A submission by its id, or the newest of a spec by the spec's name. Raises SpecError."""
    found = list_all(results)
    for each in reversed(found):
        if name in (each.id, each.record["name"]):
            return each
    names = [each.id for each in found] + [each.record["name"] for each in found]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "`preimage jobs` lists those there are"
    raise SpecError(
        f"no submission {name!r} under {results.uri}; {hint} (elsewhere: --results, or PREIMAGE_RESULTS)"
    )


def current() -> Submission | None:
    """The submission that this process works for."""
    address = os.environ.get(SUBMISSION)
    return Submission(Folder.at(address)) if address else None


def _all(results: Folder) -> Folder:
    return results / "submissions"
