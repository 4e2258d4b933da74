"""Which trial may start next."""

import logging
import time
from collections.abc import Callable, Iterable

from preimage.data.catalog import Catalog
from preimage.errors import PreimageError
from preimage.pipelines.plan import Plan
from preimage.specs.search_space import Point
from preimage.storage.claims import is_unclaimed
from preimage.storage.folder import Folder
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import Searcher
from preimage.tuning.trial import StudyRun, plan_trial

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks at what another job makes."""


class Queue:
    """The trials of a study that wait, run, and have ended.

    Two trials never work on the same unfinished step at once: one waits, and then finds it finished. A trial
    that needs what another job is making waits here too, without a worker.
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
        self._taken: dict[int, _Taken] = {}
        self._started: set[int] = set()
        self._refill()

    @property
    def missing(self) -> int:
        """How many trials have not ended."""
        return self.study.spec.trials - len(self.records)

    @property
    def needs_no_worker(self) -> bool:
        """Whether a worker that has nothing to do now could be spared: every trial that may run has one."""
        waits = self.waiting.keys() - self._taken.keys() - self._blocked
        return len(self.running) >= min(self.most, self.missing) or bool(self.waiting and not waits)

    def wait_for_others(self) -> None:
        """While no trial runs: wait until there is one that needs nothing which another job is making."""
        while self.waiting and not any(self._is_free(number) for number in self.waiting):
            time.sleep(EVERY)

    def next(self) -> tuple[int, Point] | None:
        """A trial that may start now, which then counts as running; None if none may."""
        if len(self.running) >= self.most:
            return None
        for number, point in self.waiting.items():
            if number in self._blocked or not self._is_free(number):
                continue
            work = self._work(number, point)
            if any(work & other for other in self.running.values()):
                self._blocked.add(number)
                continue
            self.running[number] = work
            del self.waiting[number]
            if number not in self._started:
                self._started.add(number)
                self.on_start(number, point)
            return number, point
        return None

    def put_back(self, number: int, point: Point, address: str) -> None:
        """A running trial found that another job makes what it needs: it waits until that folder is free."""
        log.warning(
            "trial %d waits for %s, which another job is making; it holds no worker meanwhile",
            *(number, Folder.at(address).name),
        )
        del self.running[number]
        self.waiting = dict(sorted([*self.waiting.items(), (number, point)]))
        self._taken[number] = _Taken(Folder.at(address))
        self._blocked.clear()

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

    def _is_free(self, number: int) -> bool:
        taken = self._taken.get(number)
        if taken and taken.still():
            return False
        self._taken.pop(number, None)
        return True

    def _work(self, number: int, point: Point) -> set[str]:
        """The folders that a trial would still write to."""
        try:
            return unfinished(plan_trial(self.study, number, point, self.catalog))
        except PreimageError:
            return set()  # the trial reports this itself, in its record


class _Taken:
    """A folder that another job makes."""

    def __init__(self, folder: Folder) -> None:
        self._clock, self._is_free = folder.storage.clock, is_unclaimed(folder)
        self._next = 0.0

    def still(self) -> bool:
        if self._clock.monotonic() < self._next:
            return True
        self._next = self._clock.monotonic() + EVERY
        return not self._is_free()


def unfinished(plan: Plan) -> set[str]:
    """The names of the run folders and datasets that a plan would still write to."""
    steps = {step.run.name for step in plan.steps if not step.is_done}
    images = [step.data for step in plan.steps if step.data and not plan.catalog.is_prepared(step.data)]
    return steps | {plan.catalog.folder(each).uri for each in images}
