"""What a run's folder holds, for a run in the tracker: its own, or that of the pipeline it is a step of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preimage.runs.metrics import numbers
from preimage.runs.run_folder import RunFolder
from preimage.tracking.datasets import images_used
from preimage.tracking.notes import Seen
from preimage.tracking.tracker import Record, Tracker


@dataclass(frozen=True)
class Sending:
    """Sends what is new in a run's folder, and notes what was sent."""

    tracker: Tracker
    run_id: str
    """In the tracker."""
    run: RunFolder
    seen: Seen
    prefix: str = ""
    """Comes before each name: `train.` for the step `train` of a pipeline."""

    def follow(self) -> None:
        """Send the images' description, the metrics and the sample grids that are new."""
        self._dataset()
        self._records()
        self._samples()

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Send what a finished run leaves: its final metrics and its figures."""
        records = self.run.records()
        if len(records) != self.seen.records:  # an earlier one was damaged, and was made anew
            self.tracker.metrics(self.run_id, self._rows(records))
        self.tracker.metrics(self.run_id, self._final(metrics, records))
        for name in self.run.figures.files():
            self.tracker.file(self.run_id, "figures", f"{self.prefix}{name}", self.run.figures.read(name))

    def _dataset(self) -> None:
        if not self.seen.dataset and (images := images_used(self.run.about())):
            self.tracker.dataset(self.run_id, images)
            self.seen.dataset = True

    def _records(self) -> None:
        if records := self.run.records(after=self.seen.last_record):
            self.tracker.metrics(self.run_id, self._rows(records))
            self.seen.last_record = max(records)
            self.seen.records += len(records)

    def _samples(self) -> None:
        for each in self.run.samples.entries():
            if each.name > self.seen.last_samples:
                at = Record(int(each.name.split(".")[0]), each.modified_ns // 1_000_000, {})
                png = self.run.samples.read(each.name)
                self.tracker.image(self.run_id, f"{self.prefix}samples", at, png)
                self.seen.last_samples = each.name

    def _rows(self, records: Mapping[str, dict[str, Any]]) -> list[Record]:
        return [self._named(each["images"], each["time_ms"], each["metrics"]) for each in records.values()]

    def _final(self, metrics: Mapping[str, Any], records: Mapping[str, dict[str, Any]]) -> list[Record]:
        """The outcome's numbers: at step 0, where MLflow's charts compare them by bars; at the end of its
        curve one that this does not end with, such as the best checkpoint's, so that the last is the
        outcome's."""
        last: dict[str, float] = {}
        for each in records.values():
            last |= numbers(each["metrics"])
        found, end = numbers(metrics), max((each["images"] for each in records.values()), default=0)
        alone = {name: value for name, value in found.items() if name not in last}
        other = {name: value for name, value in found.items() if last.get(name, value) != value}
        time_ms = self.run.folder.modified_ms("outcome.json")
        return [self._named(step, time_ms, each) for step, each in ((0, alone), (end, other)) if each]

    def _named(self, step: int, time_ms: int, metrics: Mapping[str, float]) -> Record:
        return Record(step, time_ms, {f"{self.prefix}{name}": each for name, each in metrics.items()})
