"""Which trial may start next."""

from collections.abc import Callable, Iterable

from preimage.data.catalog import Catalog
from preimage.errors import PreimageError
from preimage.pipelines.plan import Plan
from preimage.specs.search_space import Point
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import Searcher
from preimage.tuning.trial import StudyRun, plan_trial


class Queue:
    """The trials of a study that wait, run, and have ended.

    Two trials never work on the same unfinished step at once: one waits, and then finds it finished.
    """

    def __init__(
        self,
        study: StudyRun,
        searcher: Searcher,
        records: Iterable[TrialRecord],
        most: int,
        catalog: Catalog | None = None,
        on_start: Callable[[int, Point], None] = lambda number, params: None,
    ) -> None:
        """most: how many trials may run at once. catalog: of the study's images. on_start: called with each
        trial that starts."""
        self.study, self.searcher, self.most, self.catalog = study, searcher, most, catalog
        self.on_start = on_start
        self.records = {each.number: each for each in records}
        self.waiting: dict[int, Point] = {}
        self.running: dict[int, set[str]] = {}
        self._blocked: set[int] = set()
        self._refill()

    @property
    def missing(self) -> int:
        """How many trials have not ended."""
        return self.study.spec.trials - len(self.records)

    def next(self) -> tuple[int, Point] | None:
        """A trial that may start now, which then counts as running; None if none may."""
        if len(self.running) >= self.most:
            return None
        for number, point in self.waiting.items():
            if number in self._blocked:
                continue
            work = self._work(number, point)
            if any(work & other for other in self.running.values()):
                self._blocked.add(number)
                continue
            self.running[number] = work
            del self.waiting[number]
            self.on_start(number, point)
            return number, point
        return None

    def done(self, record: TrialRecord) -> None:
        """Record that a running trial has ended."""
        del self.running[record.number]
        self.records[record.number] = record
        self._blocked.clear()
        self._refill()

    def _refill(self) -> None:
        """Ask the sampler for all trials that it can choose now."""
        while (point := self.searcher.ask(self.records)) is not None:
            number = len(self.searcher.asked) - 1
            if number not in self.records:
                self.waiting[number] = point

    def _work(self, number: int, point: Point) -> set[str]:
        """The folders that a trial would still write to."""
        try:
            return unfinished(plan_trial(self.study, number, point, self.catalog))
        except PreimageError:
            return set()  # the trial reports this itself, in its record


def unfinished(plan: Plan) -> set[str]:
    """The names of the run folders and datasets that a plan would still write to."""
    steps = {step.run.name for step in plan.steps if not step.is_done}
    images = [step.data for step in plan.steps if step.data and not plan.catalog.is_prepared(step.data)]
    return steps | {plan.catalog.folder(each).uri for each in images}
