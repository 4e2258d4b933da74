"""Carry a run's folder over to a tracker, as it grows and again after an interruption."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from preimage.errors import StorageError, TrackingError
from preimage.runs import Outcome, RunFolder
from preimage.tracking.tracker import Record, Status, Tracker

log = logging.getLogger(__name__)

NOTES = "mirror.json"
"""What the tracker has already."""


class Mirror:
    """One run's folder and its counterpart in the tracker."""

    def __init__(self, run: RunFolder, tracker: Tracker, run_id: str) -> None:
        self.run, self.tracker, self.run_id = run, tracker, run_id
        noted = run.folder.read_json(NOTES) if run.folder.exists(NOTES) else {}
        self.last_record: str = noted.get("last_record", "")
        self.last_samples: str = noted.get("last_samples", "")
        self.ended: str | None = noted.get("ended")
        self._lock = threading.Lock()

    def begin(self, params: Mapping[str, Any], spec: bytes) -> None:
        """The resolved settings and the spec, to be run again from the tracker alone."""
        self.tracker.params(self.run_id, flatten(params))
        self.tracker.file(self.run_id, "", "spec.yaml", spec)

    def follow(self) -> None:
        """Send the metrics and sample grids that have come since the last time. Raises TrackingError."""
        with self._lock:
            records = self.run.records(after=self.last_record)
            if records:
                rows = [Record(each["images"], each["time_ms"], each["metrics"]) for each in records.values()]
                self.tracker.metrics(self.run_id, rows)
                self.last_record = max(records)
            for name in [name for name in self.run.samples.names() if name > self.last_samples]:
                at = Record(int(name.split(".")[0]), self.run.samples.modified_ms(name), {})
                self.tracker.image(self.run_id, "samples", at, self.run.samples.read(name))
                self.last_samples = name
            self._note()

    def finish(self, outcome: Outcome) -> None:
        """Send all that a finished run leaves, and end it. Raises TrackingError; then call it again."""
        if self.ended == "FINISHED":
            return
        self.follow()
        curves = {name for each in self.run.records().values() for name in each["metrics"]}
        final = {
            k: float(v) for k, v in outcome.metrics.items() if k not in curves and isinstance(v, int | float)
        }
        step = int(outcome.metrics.get("images_seen", outcome.metrics.get("images", 0)))
        self.tracker.metrics(self.run_id, [Record(step, self.run.folder.modified_ms("outcome.json"), final)])
        for part in ("figures", "generator"):
            folder = self.run.folder / part
            for name in folder.names():
                self.tracker.file(self.run_id, part, name, folder.read(name))
        self.tracker.file(self.run_id, "", "outcome.json", self.run.folder.read("outcome.json"))
        products = {
            f"preimage.{key}": value for key in ("generator", "store") if (value := getattr(outcome, key))
        }
        if products:
            self.tracker.tags(self.run_id, products)
        self.end("FINISHED")

    def end(self, status: Status) -> None:
        self.tracker.end(self.run_id, status)
        self.ended = status
        self._note()

    def _note(self) -> None:
        state = {"last_record": self.last_record, "last_samples": self.last_samples, "ended": self.ended}
        self.run.folder.write_json(NOTES, state)


class Follower:
    """Follows a run in the background, and says so once when the tracker goes away and when it is back."""

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
                    log.warning("%s The run goes on; what is missing will be sent later.", error)
                self.away = True


def flatten(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, each in value.items():
        name = f"{before}{key}"
        flat |= flatten(each, f"{name}.") if isinstance(each, Mapping) else {name: each}
    return flat
