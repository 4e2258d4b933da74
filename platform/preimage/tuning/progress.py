"""Progress of a running study."""

from rich.markup import escape

from preimage.pipelines.progress import Display
from preimage.specs.study import StudySpec
from preimage.tuning.queue import Queue
from preimage.tuning.records import TrialRecord


class Progress:
    """Shows how each trial ended, how many have ended, and which is the best so far."""

    def __init__(self, spec: StudySpec, queue: Queue, display: Display) -> None:
        self.spec, self.queue, self.display = spec, queue, display
        self.name, self.direction = next(iter(spec.objectives.items()))
        if len(queue.records):
            display.say(f"{len(queue.records)} of {spec.trials} trials have already ended")
        self.on_progress = display.task("trials")
        self.on_progress(len(queue.records), spec.trials)

    def __call__(self, record: TrialRecord) -> None:
        ended = len(self.queue.records)
        self.display.say(
            f"trial {record.number}: {self._ended(record)} ({ended} of {self.spec.trials}{self._best()})"
        )
        self.on_progress(ended, self.spec.trials)

    def _ended(self, record: TrialRecord) -> str:
        if record.state == "complete":
            return ", ".join(f"{name} {value:.5g}" for name, value in record.values.items())
        return f"{record.state}, {escape(str(record.error))}"

    def _best(self) -> str:
        values = {each.number: each.values[self.name] for each in self.queue.records.values() if each.values}
        if not values:
            return ""
        best = (min if self.direction == "minimize" else max)(values, key=values.__getitem__)
        return f"; best so far: trial {best}, {self.name} {values[best]:.5g}"
