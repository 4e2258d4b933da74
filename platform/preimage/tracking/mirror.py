"""Mirror a run's folder to a tracker, as it grows and again after an interruption."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

from preimage.figures.small import small_png
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import REPORT, Outcome, RunFolder
from preimage.runs.spec_params import spec_params
from preimage.storage.folder import Folder, as_json
from preimage.storage.plain_yaml import load
from preimage.tracking import lineage, notes, system
from preimage.tracking.datasets import stores_used
from preimage.tracking.description import NOTE, SMALL, description, pictures
from preimage.tracking.notes import Notes, Seen
from preimage.tracking.sending import Sending
from preimage.tracking.submission_tags import submission_of, tell_submission
from preimage.tracking.tracker import Record, RunDeleted, Status, Tracker

log = logging.getLogger(__name__)

SHOWN = 10
"""Digits of a fingerprint in a tag, as in a run's name: MLflow's pages cut longer ones."""


class Mirror:
    """A run's folder and its counterpart in the tracker, which begins as soon as the tracker answers.

    A pipeline's counterpart also gets what its steps leave, each name after its step's. If someone deletes a
    counterpart, a new one gets everything. By then the folder must hold run.json and spec.yaml. Any failure
    raises TrackingError: call again.
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
        """Send what is new since the last call: of a step, to its pipeline too."""
        with self._lock:
            self._sent(self._send)
        if self.parent:
            self.parent.follow_step(self.run)

    def follow_step(self, step: RunFolder) -> None:
        """Send what is new of one of a pipeline's steps; nothing if this is a study."""
        with self._lock:
            if step.name in self._step_runs.values():
                self._sent(lambda run_id: self._send_steps(run_id, step.name))

    def finish(self) -> None:
        """Send everything a finished run leaves, and end the tracker's run."""
        if self.is_recorded:
            return
        if outcome := self.run.outcome():
            with self._lock:
                self._sent(lambda run_id: self._finish(run_id, outcome))

    def end(self, status: Status, why: str = "") -> None:
        """End the tracker's run, which a later `begin` resumes. why: it has no outcome."""
        with self._lock:
            self._sent(lambda run_id: self._end(run_id, status, why))

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
        self._introduce(state.run_id, known)
        state.ended, self._open = None, True
        self._note()
        return state.run_id

    def _introduce(self, run_id: str, known: Mapping[str, Any]) -> None:
        """Say what the run is, unless this was said and nothing has changed."""
        state, submission = self.notes, submission_of(self.run, self.notes.submission)
        another = submission is not None and submission.id != state.submission
        if state.told and state.ended is None and not another:
            return
        if not state.told:
            spec = self.run.folder.read("spec.yaml")
            self.tracker.params(run_id, spec_params(load(spec.decode()), known.get("varied", {})))
            self.tracker.file(run_id, "", "spec.yaml", spec)
            self._send_provenance(run_id, None)
            state.told = True
        if submission and another:
            tell_submission(self.tracker, run_id, submission, whole=not self.parent)
            state.submission = submission.id
        self._describe(run_id, "RUNNING")

    def _new(self, known: Mapping[str, Any], parent: str | None) -> str:
        return self.tracker.begin(
            known["key"], known.get("title") or known["name"], self._tags(known), parent
        )

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
            self.notes = Notes(home=self.tracker.home, run_id=run_id, parent=parent, deleted=deleted)
            self._note()
            log.warning("%s A new one, %s, gets everything that %s holds.", error, run_id, self.run.name)

    def _send(self, run_id: str) -> None:
        Sending(self.tracker, run_id, self.run, self.notes).follow()
        self._send_steps(run_id)
        self._send_system(run_id)
        self._note()

    def _send_steps(self, run_id: str, only: str | None = None) -> None:
        for each, name, seen in self._steps(only):
            sending = Sending(self.tracker, run_id, each, seen, f"{name}.")
            sending.follow()
            if not seen.finished and (outcome := each.outcome()):
                sending.finish(outcome.metrics)
                seen.finished = True
        self._note()

    @cached_property
    def _step_runs(self) -> dict[str, str]:
        """A pipeline's: the run of each step, by its name. Read once: it is asked for every few seconds."""
        return self.run.about().get("steps", {})

    def _steps(self, only: str | None = None) -> Iterator[tuple[RunFolder, str, Seen]]:
        """A pipeline's steps that have begun, with their names and what the tracker has of each."""
        for name, run in self._step_runs.items():
            each = RunFolder(self.run.folder.parent / run)
            if only in (None, run) and each.about_or_none():
                yield each, name, self.notes.parts.setdefault(name, Seen())

    def _finish(self, run_id: str, outcome: Outcome) -> None:
        self._send(run_id)
        own = {} if self._step_runs else outcome.metrics  # a pipeline's are those of its steps
        Sending(self.tracker, run_id, self.run, self.notes).finish(own)
        for name in (name for name, product in PRODUCTS.items() if product.is_uploaded):
            folder = self.run.folder / name
            for each in folder.files():
                self.tracker.file(run_id, name, each, folder.read(each))
        generator = self.run.product("generator")
        if "generator" in outcome.products and PRODUCTS["generator"].is_whole(generator):
            self.tracker.generator(run_id, generator)
        for store in stores_used(self.run.about()):
            self.tracker.dataset(run_id, store)
        for name in pictures(outcome):
            file = Folder.at(outcome.figures[name])
            if png := file.parent.find(file.name):
                self.tracker.file(run_id, SMALL, f"{name}.png", small_png(png))
        if page := self.run.folder.find(REPORT):
            self.tracker.file(run_id, "", REPORT, page)
        self.tracker.file(run_id, "", "outcome.json", self.run.folder.read("outcome.json"))
        self._send_provenance(run_id, outcome)
        self._end(run_id, "FINISHED")

    def _end(self, run_id: str, status: Status, why: str = "") -> None:
        self._describe(run_id, status, why)
        self.tracker.end(run_id, status)
        self.notes.ended = status
        self._open = False
        self._note()

    def _tags(self, known: Mapping[str, Any]) -> dict[str, str]:
        tags = {f"preimage.{key}": str(known[key]) for key in ("job", "name")}
        tags |= {"preimage.run": self.run.name, "preimage.fingerprint": known["fingerprint"][:SHOWN]}
        return tags | ({"mlflow.source.git.commit": known["git_commit"]} if known.get("git_commit") else {})

    def _describe(self, run_id: str, status: Status, why: str = "") -> None:
        text = description(
            self.run,
            self.run.about(),
            run_id,
            status=status,
            why=why,
            outcome=self.run.outcome(),
            submission=submission_of(self.run, self.notes.submission),
        )
        self.tracker.tags(run_id, {NOTE: text})

    def _send_provenance(self, run_id: str, outcome: Outcome | None) -> None:
        submission = submission_of(self.run, self.notes.submission)
        found = lineage.provenance(self.run, self.run.about(), outcome, submission)
        self.tracker.file(run_id, "", lineage.FILE, as_json(found))

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

    def _note(self) -> None:
        state = asdict(self.notes)
        if state != self._noted:
            self.run.folder.write_json(notes.FILE, state, durable=False)
            self._noted = state
