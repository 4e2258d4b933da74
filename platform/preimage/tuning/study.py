"""A study from its spec to its outcome: what all trials share, then the trials that are missing, then the
report. Its run folder holds all that a resumed study needs; see `searcher` for why nothing else is."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import yaml

from preimage.data.prepare import prepare
from preimage.errors import PreimageError, StorageError, TrackingError
from preimage.jobs.context import Result
from preimage.pipelines.execute import execute, register
from preimage.pipelines.progress import Show, Silent
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.locks import locked
from preimage.tracking.mirror import Mirror
from preimage.tracking.tracker import Status, Tracker, open_tracker
from preimage.tuning.optuna_journal import Journal
from preimage.tuning.plan import StudyPlan, images_wanted, shared_steps
from preimage.tuning.progress import Progress
from preimage.tuning.queue import DONE, Queue
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import Searcher
from preimage.tuning.trial import plan_trial, run_trial

log = logging.getLogger(__name__)


def run_study(plan: StudyPlan, show: Show | None = None, retry_failed: bool = False) -> Outcome:
    """Run the trials that are missing, and report on all.

    Raises PreimageError where no trial succeeded, or where what all of them share fails. What was made until
    then stays, and running the same study again goes on from there.
    """
    show = show or Silent()
    tracker = open_tracker(plan.spec.tracking, plan.root)
    with locked(plan.run.folder):
        return _run(plan, show, tracker, retry_failed)


def _run(plan: StudyPlan, show: Show, tracker: Tracker, retry_failed: bool) -> Outcome:
    register_study(plan)
    records = plan.records(retry_failed)
    outcome = plan.run.outcome()
    if outcome and len(records) == plan.spec.trials:
        show.say(
            f"[bold]{plan.spec.name}[/bold]: all {len(records)} trials are over already, {plan.run.name}"
        )
        mirror = Mirror(plan.run, tracker)
        _tell(_tell_missed, plan, records, mirror)
        _tell(mirror.finish)
        return outcome
    mirror = Mirror(plan.run, tracker)
    _tell(mirror.begin)
    with _closing(mirror):
        records = _run_trials(plan, records, show, mirror)
        result = _report(plan, records)
        _require_one(records)
        outcome = _outcome(plan, result, mirror.notes.run_id)
        plan.run.finish(outcome)
    _tell(_tell_missed, plan, records, mirror)
    _tell(mirror.finish)
    return outcome


def register_study(plan: StudyPlan) -> None:
    """Say in the run's folder what it is. More trials than before, or more at once, are the same study."""
    about = {"job": "study", "name": plan.spec.name, "fingerprint": plan.fingerprint}
    register(plan.run, about, plan.spec.resolved())
    text = yaml.safe_dump(plan.spec.resolved(), sort_keys=False, allow_unicode=True).encode()
    if plan.run.folder.read("spec.yaml") != text:
        plan.run.folder.write("spec.yaml", text)


def prepare_images(plan: StudyPlan, show: Show) -> None:
    """Prepare the images of all trials, each dataset once."""
    for data, step in images_wanted(plan):
        resources = step.config.resources
        prepare(
            data,
            plan.root / "datasets",
            workers=resources.workers,
            cpus=resources.cpus_per_worker,
            backend=resources.backend,
            progress=show.task("preparing images"),
        )


def _run_trials(plan: StudyPlan, records: list[TrialRecord], show: Show, mirror: Mirror) -> list[TrialRecord]:
    """Run what is missing; all records, in the order of their numbers."""
    prepare_images(plan, show)
    _run_shared(plan, show, mirror)
    searcher = Searcher(plan.spec, negate_metric=plan.negate_metric)
    journal = Journal(plan.spec, plan.run)
    journal.begin(records)
    queue = Queue(plan.study, searcher, records, plan.spec.parallel)
    progress = Progress(plan.spec, queue, show)

    def over(record: TrialRecord) -> None:
        queue.done(record)
        journal.add(record)
        progress(record)

    if plan.on_ray:
        from preimage.tuning.on_ray import run_on_ray  # Ray is not needed otherwise

        run_on_ray(plan, queue, over)
    else:
        _run_here(plan, queue, over)
    found = sorted(queue.records.values(), key=lambda each: each.number)
    journal.end(found)
    return found


def _run_here(plan: StudyPlan, queue: Queue, over: Callable[[TrialRecord], None]) -> None:
    """One trial after another, in this process."""
    while ready := queue.next():
        over(run_trial(plan.study, *ready))


def _run_shared(plan: StudyPlan, show: Show, mirror: Mirror) -> None:
    """Run the steps that all trials share, once, before any trial."""
    for step in shared_steps(plan):
        if step.state in DONE:
            continue
        spec = replace(plan.base.spec, name=step.name, steps={step.name: step.config}, is_pipeline=False)
        alone = replace(
            plan.base,
            spec=replace(spec, rounds=None),
            steps=(step,),
            run=step.run,
            fingerprint=step.fingerprint,
        )
        execute(alone, show, above=mirror)


def _tell_missed(plan: StudyPlan, records: list[TrialRecord], mirror: Mirror) -> None:
    """Tell the tracker of trials that ended while it was away."""
    for record in records:
        if record.state != "complete" or not record.run:
            continue
        run = RunFolder(plan.root / "runs" / record.run)
        if Mirror(run, mirror.tracker).notes.ended == "FINISHED":
            continue
        trial = plan_trial(plan.study, record.number, record.params)
        if all(step.state in DONE for step in trial.steps):
            execute(trial, above=mirror)


def _report(plan: StudyPlan, records: list[TrialRecord]) -> Result:
    from preimage.tuning.annotations import read_picks
    from preimage.tuning.report import report

    return report(plan.spec, records, read_picks(plan.run.folder), plan.run)


def _require_one(records: list[TrialRecord]) -> None:
    if any(each.state == "complete" for each in records):
        return
    first = next((each for each in records if each.state == "failed"), records[0])
    raise PreimageError(
        f"none of {len(records)} trials came to its end. The first that failed, trial {first.number}, said: "
        f"{first.error}. Change the spec, or run the same command with --retry-failed."
    )


def _outcome(plan: StudyPlan, result: Result, run_id: str | None) -> Outcome:
    return Outcome(
        job="study",
        name=plan.spec.name,
        run=plan.run.name,
        fingerprint=plan.fingerprint,
        metrics=result.metrics,
        folder=plan.run.folder.uri,
        figures={name.removesuffix(".png"): f"{plan.run.figures.uri}/{name}" for name in result.figures},
        mlflow_run_id=run_id,
    )


@contextmanager
def _closing(mirror: Mirror) -> Iterator[None]:
    """End the tracker's run in the way the study ended, where that is not well."""
    status: Status = "FAILED"
    try:
        yield
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        if status != "FINISHED":
            _tell(mirror.end, status)


def _tell(call: Callable[..., Any], *arguments: Any) -> None:
    """Tell the tracker; if it does not answer, say so and go on."""
    try:
        call(*arguments)
    except (TrackingError, StorageError) as error:
        log.warning("%s The study is not harmed: run the same command again to record it.", error)
