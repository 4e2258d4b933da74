"""The trials of a study on Ray Tune.

Tune places the trials, keeps its workers from one trial to the next and replaces those that die. It keeps no
state that matters: our `Queue` decides which trial is next, and each trial's result is in its record.

On a cluster that others share, no more trials run than the study has room for, and workers that are not
needed end. A trial never waits with its core for what another job makes: that job may wait for the core.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.search_generator import SearchGenerator

from preimage.cluster import room
from preimage.cluster.connect import require
from preimage.config import Resources
from preimage.errors import ClaimTaken, PreimageError, StorageError, error_of, plain
from preimage.storage.claims import without_waiting
from preimage.tuning.plan import StudyPlan
from preimage.tuning.queue import Queue
from preimage.tuning.records import TrialRecord, read_records, write_record
from preimage.tuning.trial import StudyRun, failed, run_trial

OnTrialEnd = Callable[[TrialRecord], None]
_ROOM = "Free some space, then run the same command again: results so far are kept."

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C must end us at once: Tune would wait for its trials
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
DRIVER: dict[str, float] = {"memory": 1}
"""What a trial takes if its steps start their own workers: one byte of memory. Ray refuses an empty request,
and a part of a core would be missing for workers that need every core."""


def run_on_ray(plan: StudyPlan, queue: Queue, on_trial_end: OnTrialEnd) -> None:
    """Run the missing trials, and call `on_trial_end` with each record.

    Raises PreimageError if the cluster can never hold a trial, StorageError if a record is unreadable or the
    results cannot be written.
    """
    if not queue.missing:
        return
    needs = [step.job.resources for step in plan.base.steps]
    reserved = bundle(needs, plan.in_process)
    study = replace(plan.study, gpu="GPU" in reserved)
    trainable = tune.with_resources(tune.with_parameters(_work, study=study), reserved)
    searcher = _Searcher(queue, on_trial_end, room_for(needs, plan.in_process))
    while queue.missing and not searcher.storage_error:
        queue.wait_for_others()
        with _quiet():
            _fit(plan, trainable, searcher)
    if searcher.storage_error:
        raise searcher.storage_error
    (plan.run.folder / "ray").delete()


def _fit(plan: StudyPlan, trainable: Any, searcher: "_Searcher") -> None:
    """Until all trials have ended, or all that are left wait for what other jobs make."""
    folder = plan.run.folder
    failures = max(step.job.resources.max_failures for step in plan.base.steps)
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(search_alg=_Offers(searcher), num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name=f"{plan.run.name}-{time.time_ns()}",  # never restored: our records are the state
            storage_path=(folder / "ray").path,
            storage_filesystem=folder.filesystem,
            failure_config=tune.FailureConfig(max_failures=failures),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except OSError as error:
        raise StorageError(f"Ray cannot write to {folder / 'ray'}: {error}. {_ROOM}") from error


def bundle(needs: list[Resources], in_process: bool) -> dict[str, float]:
    """What Ray reserves for one trial. Raises PreimageError if the cluster can never hold it."""
    if not in_process:
        return DRIVER
    gpus = [require(each).gpu for each in needs]  # each is checked: one that can never be held raises
    return {"CPU": float(max(each.cpus_per_worker for each in needs))} | ({"GPU": 1.0} if any(gpus) else {})


def room_for(needs: list[Resources], in_process: bool) -> int:
    """How many trials fit at once with all their workers, so that none waits with half of them.

    On a shared cluster the study's own room decides; elsewhere Ray alone places trials of one process.
    """
    if in_process or room.current():
        return 2**31
    has = ray.cluster_resources()
    rooms = [has.get("CPU", 0) // (each.workers * each.cpus_per_worker) for each in needs]
    rooms += [has.get("GPU", 0) // each.workers for each in needs if require(each).gpu]
    return max(1, int(min(rooms)))


class _Searcher(Searcher):
    """Gives Tune the trials of our queue."""

    def __init__(self, queue: Queue, on_trial_end: OnTrialEnd, most: int = 2**31) -> None:
        super().__init__()
        self.queue, self.on_trial_end = queue, on_trial_end
        self.most = min(most, queue.most)
        self.room = room.current()
        self.numbers: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self.storage_error: PreimageError | None = None
        """Why results cannot be written; then no further trial starts."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore
        if (ready := self._next()) is None:
            return None
        number, params = self.numbers[trial_id] = ready
        return {"number": number, "params": json.dumps(params)}

    def _next(self) -> tuple[int, Mapping[str, Any]] | None:
        if self.storage_error:
            return None
        if not self.room:
            self.queue.most = self.most
            return self.queue.next()
        with self.room.lock:
            self.queue.most = min(self.most, self.room.at_once)
            ready = self.queue.next()
            self.room.used = len(self.queue.running)
        return ready

    @property
    def offers_none(self) -> bool:
        """Whether no trial starts before one that runs has ended."""
        return bool(self.storage_error) or self.queue.needs_no_worker

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        number, params = self.numbers[trial_id]
        if result and "error" in result:
            self.storage_error = error_of(json.loads(result["error"]))
            return
        if result and "taken" in result:
            self.queue.put_back(number, dict(params), result["taken"])
            return
        if error or not result or "record" not in result:
            record = self._written(number) or self._died(number, params)
        else:
            record = TrialRecord.model_validate_json(result["record"])
        self.on_trial_end(record)

    def _written(self, number: int) -> TrialRecord | None:
        """The record of a trial whose process died after writing it."""
        records = read_records(self.queue.study.run.folder)
        return next((each for each in records if each.number == number and each.state != "failed"), None)

    def _died(self, number: int, params: Mapping[str, Any]) -> TrialRecord:
        why = "the process of this trial died again and again, perhaps for lack of memory"
        record = failed(number, params, f"{why}: lower `parallel`, or raise resources.max_failures")
        write_record(self.queue.study.run.folder, record)
        return record

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its searcher to restore it, which we never do."""
        return {}

    def save(self, checkpoint_path: str) -> None: ...
    def restore(self, checkpoint_path: str) -> None: ...
    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None: ...


class _Offers(SearchGenerator):
    """Tune asks a search that is finished for no trial, and ends workers that none needs; it asks again
    whether it is finished."""

    searcher: _Searcher

    def is_finished(self) -> bool:
        return self.searcher.offers_none


def _work(config: dict[str, Any], study: StudyRun) -> None:
    """Run one trial, in one of Tune's workers."""
    number, params = config["number"], json.loads(config["params"])
    attempt = _attempt if study.in_process else _attempt_apart
    tune.report(attempt(study, number, params) | {"done": True})


def _attempt(study: StudyRun, number: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """The trial's record and values, or the error of a storage that takes no more, or the address of a folder
    that another job makes."""
    logging.getLogger("preimage").setLevel(logging.INFO)
    try:
        with without_waiting():
            record = run_trial(study, number, params)
    except ClaimTaken as error:
        return {"taken": error.address}
    except StorageError as error:
        return {"error": json.dumps(plain(error))}
    return {"record": record.model_dump_json()} | dict(record.values)


def _attempt_apart(study: StudyRun, number: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Run a trial that starts workers in its own process: in Tune's process they would have to fit into the
    trial's reservation, and wait forever."""
    apart = ray.remote(_attempt).options(num_cpus=0, scheduling_strategy="DEFAULT", max_retries=0)
    return ray.get(apart.remote(study, number, params))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Tune's own reports; ours show the results of trials."""
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray.air")]
    before, levels = dict(os.environ), [each.level for each in loggers]
    os.environ.update(QUIET)
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
        for name in QUIET:
            os.environ.pop(name) if name not in before else os.environ.update({name: before[name]})
