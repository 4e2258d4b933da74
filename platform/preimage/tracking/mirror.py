"""Mirror a run's folder to a tracker, as it grows and again after an interruption."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from preimage.cluster import submissions
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.plain_yaml import load
from preimage.tracking import notes, system
from preimage.tracking.lineage import fingerprints, prepared
from preimage.tracking.notes import Notes
from preimage.tracking.submission_tags import tell_submission
from preimage.tracking.tracker import Record, RunDeleted, Status, Tracker

log = logging.getLogger(__name__)


class Mirror:
    """A run's folder and its counterpart in the tracker, which begins as soon as the tracker answers.

    If someone deletes the counterpart, a new one gets everything. By then the folder must hold run.json and
    spec.yaml. Any failure raises TrackingError: call again.
    """

    def __init__(self, run: RunFolder, tracker: Tracker, parent: "Mirror | None" = None) -> None:
        self.run, self.tracker, self.parent = run, tracker, parent
        self.notes = Notes.of(run, tracker.home)
        self.replaced = False
        """Whether the counterpart was found deleted: then those of the run's parts belong under a new one."""
        self._noted = asdict(self.notes)
        self._open = False
        self._lock = threading.Lock()

    @property
    def is_recorded(self) -> bool:
        """Whether the tracker has the whole finished run, as far as is known here."""
        return self.has_ended("FINISHED")

    def has_ended(self, status: Status) -> bool:
        """Whether the tracker has the run as it ended; an earlier attempt may have ended otherwise."""
        return self.notes.ended == status and not self._is_orphan

    @property
    def _is_orphan(self) -> bool:
        return self.parent is not None and self.notes.parent in self.parent.notes.deleted

    def begin(self) -> str:
        """Begin or resume the tracker's run, and return its id. Asks the tracker whether it is there."""
        with self._lock:
            self._open = False
            return self._sent(lambda run_id: None)

    def follow(self) -> None:
        """Send the metrics and sample grids that are new since the last call."""
        with self._lock:
            self._sent(self._send)

    def finish(self) -> None:
        """Send everything a finished run leaves, and end the tracker's run."""
        if self.is_recorded:
            return
        if outcome := self.run.outcome():
            with self._lock:
                self._sent(lambda run_id: self._finish(run_id, outcome))

    def end(self, status: Status) -> None:
        """End the tracker's run; a later `begin` resumes it."""
        with self._lock:
            self._sent(lambda run_id: self._end(run_id, status))

    def _sent(self, send: Callable[[str], None]) -> str:
        """Begin if needed, and send; all over again to a new run if the tracker's was deleted."""
        try:
            run_id = self._begin()
            send(run_id)
        except RunDeleted as error:
            if error.run_id != self.notes.run_id:  # the parent's, again
                raise
            self._replace(error)
            run_id = self._begin()
            self._send(run_id)
            send(run_id)
        return run_id

    def _begin(self) -> str:
        state = self.notes
        if self._open and state.run_id:
            return state.run_id
        parent = self.parent.begin() if self.parent else None
        known = self.run.about()
        if not state.run_id:
            state.run_id, state.parent = self._new(known, parent), parent
            self._note()
        else:
            moved = parent if self._is_orphan else None
            self.tracker.resume(state.run_id, moved)
            state.parent = moved or state.parent
        page = self.tracker.page(state.run_id)
        found = {"mlflow_run_id": state.run_id} | ({"mlflow_page": page} if page else {})
        if known != known | found:
            self.run.folder.write_json("run.json", known | found)
        if not state.told:
            spec = self.run.folder.read("spec.yaml")
            self.tracker.params(state.run_id, flatten(load(spec.decode())))
            self.tracker.file(state.run_id, "", "spec.yaml", spec)
            state.told = True
        submission = submissions.current()
        if submission and submission.id != state.submission:
            tell_submission(self.tracker, state.run_id, submission, whole=not self.parent)
            state.submission = submission.id
        state.ended, self._open = None, True
        self._note()
        return state.run_id

    def _new(self, known: Mapping[str, Any], parent: str | None) -> str:
        return self.tracker.begin(known["key"], known["name"], self._tags(known), parent)

    def _replace(self, error: RunDeleted) -> None:
        """Begin a new run in the tracker, unless another process has; what this one knows is forgotten."""
        before, elsewhere = self.notes, Notes.of(self.run, self.tracker.home)
        self._open, self.replaced = False, True
        if elsewhere.run_id not in (None, before.run_id):
            self.notes = elsewhere
            return
        parent = self.parent.begin() if self.parent else None
        run_id = self._new(self.run.about(), parent)
        if run_id != before.run_id:  # it may have been restored in between
            deleted = [*before.deleted, error.run_id]
            self.notes = Notes(self.tracker.home, run_id, parent, deleted)
            self._note()
            log.warning("%s A new one, %s, gets everything that %s holds.", error, run_id, self.run.name)

    def _send(self, run_id: str) -> None:
        self._send_dataset(run_id)
        self._send_records(run_id)
        self._send_samples(run_id)
        self._send_system(run_id)
        self._note()

    def _finish(self, run_id: str, outcome: Outcome) -> None:
        self._send(run_id)
        records = self.run.records()
        if len(records) != self.notes.records:  # an earlier one was damaged, and was made anew
            self.tracker.metrics(run_id, _rows(records))
        self.tracker.metrics(run_id, [self._final(outcome, records)])
        uploads = [name for name, product in PRODUCTS.items() if product.is_uploaded]
        for part in ("figures", *uploads):
            folder = self.run.folder / part
            for name in folder.files():
                self.tracker.file(run_id, part, name, folder.read(name))
        generator = self.run.product("generator")
        if "generator" in outcome.products and PRODUCTS["generator"].is_whole(generator):
            self.tracker.generator(run_id, generator)
        self.tracker.file(run_id, "", "outcome.json", self.run.folder.read("outcome.json"))
        tags = {f"preimage.{key}": address for key, address in outcome.products.items()}
        tags |= {
            f"preimage.{key}_fingerprint": value for key, value in fingerprints(self.run, outcome).items()
        }
        if tags:
            self.tracker.tags(run_id, tags)
        self._end(run_id, "FINISHED")

    def _end(self, run_id: str, status: Status) -> None:
        self.tracker.end(run_id, status)
        self.notes.ended = status
        self._open = False
        self._note()

    def _tags(self, known: Mapping[str, Any]) -> dict[str, str]:
        tags = {f"preimage.{key}": str(known[key]) for key in ("job", "name", "fingerprint")}
        tags |= {"preimage.run": self.run.name, "preimage.folder": self.run.folder.uri}
        tags |= {"mlflow.source.git.commit": known["git_commit"]} if known.get("git_commit") else {}
        used = {**known.get("versions", {}), **known.get("plugins", {})}
        return tags | {f"version.{name}": number for name, number in used.items()}

    def _send_dataset(self, run_id: str) -> None:
        if self.notes.dataset:
            return
        if images := prepared(self.run.about()):
            self.tracker.dataset(run_id, images["source"], images["fingerprint"], images["address"])
            self.notes.dataset = True

    def _send_records(self, run_id: str) -> None:
        if records := self.run.records(after=self.notes.last_record):
            self.tracker.metrics(run_id, _rows(records))
            self.notes.last_record = max(records)
            self.notes.records += len(records)

    def _send_samples(self, run_id: str) -> None:
        for each in self.run.samples.entries():
            if each.name > self.notes.last_samples:
                at = Record(int(each.name.split(".")[0]), each.modified_ns // 1_000_000, {})
                self.tracker.image(run_id, "samples", at, self.run.samples.read(each.name))
                self.notes.last_samples = each.name

    def _send_system(self, run_id: str) -> None:
        first, found = system.samples(self.run, {"": self.notes.last_system, **self.notes.last_system_of})
        for node, rows in found.items():
            records = [
                Record((row["time_ms"] - first) // 1000, row["time_ms"], row["metrics"]) for row in rows
            ]
            self.tracker.metrics(run_id, records)
            if node:
                self.notes.last_system_of[node] = rows[-1]["time_ms"]
            else:
                self.notes.last_system = rows[-1]["time_ms"]

    def _final(self, outcome: Outcome, records: Mapping[str, dict[str, Any]]) -> Record:
        """The outcome's metrics that are not already a curve; nested ones get dotted names."""
        curves = {name for each in records.values() for name in each["metrics"]}
        final = {
            name: float(value)
            for name, value in flatten(outcome.metrics).items()
            if name not in curves and isinstance(value, int | float)
        }
        step = int(outcome.metrics.get("images_seen", outcome.metrics.get("images", 0)))
        return Record(step, self.run.folder.modified_ms("outcome.json"), final)

    def _note(self) -> None:
        state = asdict(self.notes)
        if state != self._noted:
            self.run.folder.write_json(notes.FILE, state, durable=False)
            self._noted = state


def _rows(records: Mapping[str, dict[str, Any]]) -> list[Record]:
    return [Record(each["images"], each["time_ms"], each["metrics"]) for each in records.values()]


def flatten(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, each in value.items():
        name = f"{before}{key}"
        flat |= flatten(each, f"{name}.") if isinstance(each, Mapping) else {name: each}
    return flat
