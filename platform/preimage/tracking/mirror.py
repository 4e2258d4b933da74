"""Mirror a run's folder to a tracker, as it grows and again after an interruption."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from preimage.cluster import submissions
from preimage.errors import StorageError, TrackingError
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.plain_yaml import load
from preimage.tracking import system
from preimage.tracking.lineage import fingerprints, prepared
from preimage.tracking.submission_tags import tell_submission
from preimage.tracking.tracker import Record, Status, Tracker

log = logging.getLogger(__name__)

NOTES = "mirror.json"


@dataclass
class Notes:
    """What the tracker already has. Sending any of it again changes nothing."""

    home: str
    run_id: str | None = None
    told: bool = False
    """Whether it has the settings and the spec."""
    dataset: bool = False
    last_record: str = ""
    last_samples: str = ""
    last_system: int = 0
    ended: str | None = None
    submission: str | None = None
    """The latest submission it knows."""

    @classmethod
    def of(cls, run: RunFolder, home: str) -> "Notes":
        noted = run.folder.find_json(NOTES) or {}
        return cls(**noted) if noted.get("home") == home else cls(home)


class Mirror:
    """A run's folder and its counterpart in the tracker, which begins as soon as the tracker answers.

    By then the folder must hold run.json and spec.yaml. Any failure raises TrackingError: call again.
    """

    def __init__(self, run: RunFolder, tracker: Tracker, parent: "Mirror | None" = None) -> None:
        self.run, self.tracker, self.parent = run, tracker, parent
        self.notes = Notes.of(run, tracker.home)
        self._noted = asdict(self.notes)
        self._open = False
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Begin or resume the tracker's run, and return its id."""
        with self._lock:
            return self._begin()

    def follow(self) -> None:
        """Send the metrics and sample grids that are new since the last call."""
        with self._lock:
            run_id = self._begin()
            self._send_dataset(run_id)
            self._send_records(run_id)
            self._send_samples(run_id)
            self._send_system(run_id)
            self._note()

    def finish(self) -> None:
        """Send everything a finished run leaves, and end the tracker's run."""
        outcome = self.run.outcome()
        if self.notes.ended == "FINISHED" or not outcome:
            return
        self.follow()
        run_id = self.begin()
        self.tracker.metrics(run_id, [self._final(outcome)])
        uploads = [part for product in PRODUCTS.values() for part in product.uploads]
        for part in ("figures", *uploads):
            folder = self.run.folder / part
            for name in folder.files():
                self.tracker.file(run_id, part, name, folder.read(name))
        self.tracker.file(run_id, "", "outcome.json", self.run.folder.read("outcome.json"))
        tags = {f"preimage.{key}": address for key, address in outcome.products.items()}
        tags |= {
            f"preimage.{key}_fingerprint": value for key, value in fingerprints(self.run, outcome).items()
        }
        if tags:
            self.tracker.tags(run_id, tags)
        self.end("FINISHED")

    def end(self, status: Status) -> None:
        """End the tracker's run; a later `begin` resumes it."""
        with self._lock:
            self.tracker.end(self._begin(), status)
            self.notes.ended = status
            self._open = False
            self._note()

    def _begin(self) -> str:
        notes = self.notes
        if self._open and notes.run_id:
            return notes.run_id
        known = self.run.about()
        if not notes.run_id:
            parent = self.parent.begin() if self.parent else None
            notes.run_id = self.tracker.begin(known["key"], known["name"], self._tags(known), parent)
            self._note()
            page = self.tracker.page(notes.run_id)
            found = {"mlflow_run_id": notes.run_id} | ({"mlflow_page": page} if page else {})
            self.run.folder.write_json("run.json", known | found)
        else:
            self.tracker.resume(notes.run_id)
        if not notes.told:
            spec = self.run.folder.read("spec.yaml")
            self.tracker.params(notes.run_id, flatten(load(spec.decode())))
            self.tracker.file(notes.run_id, "", "spec.yaml", spec)
            notes.told = True
        submission = submissions.current()
        if submission and submission.id != notes.submission:
            tell_submission(self.tracker, notes.run_id, submission, whole=not self.parent)
            notes.submission = submission.id
        notes.ended, self._open = None, True
        self._note()
        return notes.run_id

    def _tags(self, known: Mapping[str, Any]) -> dict[str, str]:
        tags = {f"preimage.{key}": str(known[key]) for key in ("job", "name", "fingerprint")}
        tags |= {"preimage.run": self.run.name, "preimage.folder": self.run.folder.uri}
        tags |= {"mlflow.source.git.commit": known["git_commit"]} if known.get("git_commit") else {}
        return tags | {f"version.{name}": number for name, number in known.get("versions", {}).items()}

    def _send_dataset(self, run_id: str) -> None:
        if self.notes.dataset:
            return
        if images := prepared(self.run.about()):
            self.tracker.dataset(run_id, images["source"], images["fingerprint"], images["address"])
            self.notes.dataset = True

    def _send_records(self, run_id: str) -> None:
        records = self.run.records(after=self.notes.last_record)
        if records:
            rows = [Record(each["images"], each["time_ms"], each["metrics"]) for each in records.values()]
            self.tracker.metrics(run_id, rows)
            self.notes.last_record = max(records)

    def _send_samples(self, run_id: str) -> None:
        for each in self.run.samples.entries():
            if each.name > self.notes.last_samples:
                at = Record(int(each.name.split(".")[0]), each.modified_ns // 1_000_000, {})
                self.tracker.image(run_id, "samples", at, self.run.samples.read(each.name))
                self.notes.last_samples = each.name

    def _send_system(self, run_id: str) -> None:
        first, rows = system.samples(self.run, self.notes.last_system)
        if rows:
            records = [
                Record((row["time_ms"] - first) // 1000, row["time_ms"], row["metrics"]) for row in rows
            ]
            self.tracker.metrics(run_id, records)
            self.notes.last_system = rows[-1]["time_ms"]

    def _final(self, outcome: Outcome) -> Record:
        """The outcome's metrics that are not already a curve; nested ones get dotted names."""
        curves = {name for each in self.run.records().values() for name in each["metrics"]}
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
            self.run.folder.write_json(NOTES, state)
            self._noted = state


class Follower:
    """Follows a run in the background. Warns once when the tracker goes away, and once when it is back."""

    def __init__(self, mirror: Mirror, every: float = 2.0) -> None:
        self.mirror, self.every, self.away = mirror, every, False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _follow(self) -> None:
        while not self._stop.wait(self.every):
            try:
                self.mirror.follow()
                if self.away:
                    log.warning("the tracker is back; what it missed has been sent")
                self.away = False
            except (TrackingError, StorageError) as error:
                if not self.away:
                    log.warning("%s The run continues; what is missing will be sent later.", error)
                self.away = True


def flatten(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, each in value.items():
        name = f"{before}{key}"
        flat |= flatten(each, f"{name}.") if isinstance(each, Mapping) else {name: each}
    return flat
