"""A submission's folder: the record of a job that was submitted to a cluster. It outlives the cluster.

results/submissions/<id>/
submission.json  what was submitted, by whom, to which cluster, and the run that it makes
spec.yaml        the resolved spec; `preimage submit <id>` submits it again
code.zip         the package as it was uploaded
state.json       the job's state, written by the job itself
run.json         the run that it makes, once its images are read: written by the job itself
stop.json        a user's request to stop it
diagnosis.json   how a job ended that could not say so itself, as its cluster reported: see `diagnosis`
logs/            its output, ATTEMPT-PART.txt
"""

import logging
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from threading import RLock
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from preimage.errors import FormatError, SpecError, StorageError
from preimage.storage import formats
from preimage.storage.address import command
from preimage.storage.folder import Folder
from preimage.storage.host_info import SUBMISSION, host, now, user
from preimage.storage.validated_json import LooseRecord, read_validated, read_validated_if_there

log = logging.getLogger(__name__)

_told: dict[str, dict[str, str]] = {}
"""What this process's job works on and waits for, by its submission's folder: every write of its state tells
it."""
_writing = RLock()

ENDED = ("finished", "failed", "stopped")
Place = tuple[str, int]
"""A position in a submission's output: the name of a file in logs/, and a byte offset."""
BEGINNING: Place = ("", 0)


def _is_moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without a time zone")
    return text


Moment = Annotated[str, AfterValidator(_is_moment)]
"""As `now` writes it."""


class _Upload(LooseRecord):
    sha256: str


class _Record(LooseRecord):
    """submission.json."""

    kept_as: ClassVar[formats.Kind] = formats.SUBMISSION
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
    server: dict[str, str]
    needs: dict[str, float] = Field(default_factory=dict)
    """What its largest step needs at once on Ray, such as {"CPU": 4.0}."""
    env: list[str] = Field(default_factory=list)
    """The names of the variables that were passed to it."""


class _Made(LooseRecord):
    """run.json."""

    run: str
    fingerprint: str


class _State(LooseRecord):
    """state.json."""

    attempt: int
    state: str
    host: str
    pid: int
    ray_job: str | None
    time: Moment
    """Of the last heartbeat, or of its end."""
    began: Moment | None = None
    """When this attempt did."""
    exit_code: int | None = None
    waits_for: str = ""
    working_on: str = ""
    """The address of the run that a pipeline now makes."""


@dataclass(frozen=True)
class Submission:
    """One submission. It may have had several attempts; each resumes where the last one ended."""

    folder: Folder

    @property
    def id(self) -> str:
        """Also its id in Ray, unless `ray_id` is another."""
        return self.folder.name

    def command(self, verb: str, *words: str) -> str:
        """A command about it, which works wherever its results are reached."""
        return command("preimage", verb, self.id, *words, results=self.folder.parent.parent.uri)

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was submitted: written once, so read once.

        Raises StorageError if it was altered, FormatError if it is of another format.
        """
        return read_validated(self.folder, "submission.json", _Record)

    def state(self) -> dict[str, Any]:
        """What the job recorded last; empty before it ran. Raises StorageError like `record`."""
        return read_validated_if_there(self.folder, "state.json", _State) or {}

    @property
    def ray_id(self) -> str:
        """Its id in Ray, which differs if it was submitted by Ray's own command line."""
        return self.state().get("ray_job") or self.id

    @property
    def page(self) -> str:
        """Its page in Ray's dashboard."""
        return f"{self.record['address']}/#/jobs/{self.ray_id}"

    @property
    def run(self) -> str:
        """The address of the run that it makes: as planned, until the job knows it. Raises StorageError."""
        return self._made["run"]

    @property
    def fingerprint(self) -> str:
        """Of its plan, like `run`."""
        return self._made["fingerprint"]

    def makes(self, run: str, fingerprint: str) -> None:
        """Record which run it makes."""
        self.folder.write_json("run.json", {"run": run, "fingerprint": fingerprint})

    @property
    def _made(self) -> dict[str, Any]:
        return read_validated_if_there(self.folder, "run.json", _Made) or self.record

    def update(self, state: dict[str, Any]) -> None:
        """Record the job's state, and what this process told of it. Only the job's own process may."""
        with _writing:
            told = {key: value for key, value in _told.get(self.folder.uri, {}).items() if value}
            self.folder.write_json("state.json", state | told | {"time": now()})

    def waits(self, what: str) -> None:
        """Record what the job waits for, such as "4 CPUs, behind demo-1"; "" once it works again.

        For the job's main process, from any thread: in another it does nothing. Each heartbeat repeats it; if
        the storage fails now, the next one records it.
        """
        self._tell("waits_for", what)

    def works_on(self, run: str) -> None:
        """Record which of its runs a pipeline now makes, by its address; like `waits`."""
        self._tell("working_on", run)

    def _tell(self, key: str, text: str) -> None:
        with _writing:
            told = _told.setdefault(self.folder.uri, {})
            if told.get(key, "") == text:
                return
            told[key] = text
            try:
                state = self.state()
                mine = (state.get("host"), state.get("pid")) == (host(), os.getpid())
                if mine and state.get("state") == "running":
                    self.update({name: value for name, value in state.items() if name != key})
            except StorageError as error:
                log.warning("the record of %s is behind: %s", self.id, error)

    @property
    def logs(self) -> Folder:
        return self.folder / "logs"

    def output(self) -> str:
        """All its output, attempt after attempt."""
        return self.printed(BEGINNING)[0].decode(errors="replace")

    def printed(self, since: Place) -> tuple[bytes, Place]:
        """The output after a position, and the new position. Earlier files are not read."""
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
    """A new submission of a spec of this name. Writes nothing yet."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "job"
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Submission(_all(results) / f"{plain}-{moment}-{secrets.token_hex(2)}")


def list_all(results: Folder) -> list[Submission]:
    """The submissions of these results, the newest last. Skips those of another format, with a warning."""
    found = [Submission(_all(results) / name) for name in _all(results).names()]
    return sorted(filter(_is_readable, found), key=lambda each: (each.record["created"], each.id))


def find(results: Folder, name: str) -> Submission:
    """A submission by its id, or the newest of a spec by the spec's name. Raises SpecError."""
    found = list_all(results)
    for each in reversed(found):
        if name in (each.id, each.record["name"]):
            return each
    names = [each.id for each in found] + [each.record["name"] for each in found]
    near = get_close_matches(name, names, n=1)
    listed = command("preimage", "jobs", results=results.uri)
    hint = f"did you mean {near[0]}?" if near else f"`{listed}` lists them"
    raise SpecError(
        f"no submission {name!r} under {results.uri}; {hint} (for other results: --results, or "
        "PREIMAGE_RESULTS)"
    )


def current() -> Submission | None:
    """The submission that this process works for, if any."""
    address = os.environ.get(SUBMISSION)
    return Submission(Folder.at(address)) if address else None


def _is_readable(submission: Submission) -> bool:
    """Whether it has a record of this version's format."""
    try:
        return submission.folder.exists("submission.json") and bool(submission.record)
    except FormatError as error:
        log.warning("a submission is skipped: %s", error)
        return False


def _all(results: Folder) -> Folder:
    return results / "submissions"
