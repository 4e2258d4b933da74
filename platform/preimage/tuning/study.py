"""Run a study: what all trials share, then the missing trials, then the report. Its run folder holds all that
a resumed study needs; `searcher` says why that is enough."""

import logging
from collections.abc import Callable
from typing import Any

from preimage.errors import DataError, PreimageError
from preimage.jobs.base import Result
from preimage.jobs.made_by import study_made_by
from preimage.pipelines.execute import execute, tell_ended
from preimage.pipelines.lifecycle import Report, live, register, tell, write_result, write_spec
from preimage.pipelines.progress import Display, Silent
from preimage.pipelines.registration import dataset_of
from preimage.runs.metrics import plain_name, plain_names
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.protocol import Claim
from preimage.tracking.follower import Follower
from preimage.tracking.mirror import Mirror
from preimage.tracking.open import open_tracker
from preimage.tracking.tracker import Status
from preimage.tuning.annotations import read_picks
from preimage.tuning.optuna_journal import Journal
from preimage.tuning.plan import StudyPlan, images_wanted, plan_study, shared_steps
from preimage.tuning.progress import Progress
from preimage.tuning.queue import Queue
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import Searcher
from preimage.tuning.trial import about_trial, plan_trial, run_trial

log = logging.getLogger(__name__)

STATUS: dict[str, Status] = {"complete": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
"""The tracker's words for the states of trials."""


def run_study(
    plan: StudyPlan,
    display: Display | None = None,
    retry_failed: bool = False,
    report: Report | None = None,
) -> Outcome:
    """Run the missing trials, and report on all; again if the spec now names other metrics for the report.

    report: writes the page on it. Raises PreimageError if no trial is complete, or if what all of them share
    fails. Results so far are kept, and running the same study again resumes it.
    """
    display = display or Silent()
    plan = plan if plan.base.is_final else with_images(plan, display)
    mirror = Mirror(plan.run, open_tracker(plan.spec.tracking, plan.root))

    def finished() -> Outcome | None:
        return plan.outcome(retry_failed)

    def make(run: RunFolder, claim: Claim) -> Outcome:
        records = plan.records(retry_failed)
        if plan.missing(retry_failed):
            records = _run_trials(plan, records, display, mirror)
        outcome = _outcome(plan, records, mirror.notes.run_id)
        for each in records:  # some may have ended just before a driver died
            _note_objectives(plan, each)
        tell(_record_missed, plan, records, mirror)
        return outcome

    if finished():
        records = plan.records(retry_failed)
        display.say(
            f"[bold]{plan.spec.name}[/bold]: all {len(records)} trials have already ended, {plan.run.name}"
        )
        tell(_record_missed, plan, records, mirror)
    outcome = live(mirror, finished, lambda: register_study(plan), make, report=report)
    if mirror.replaced:
        tell(_record_missed, plan, plan.records(), mirror)
        tell(mirror.finish)
    return outcome


def register_study(plan: StudyPlan) -> None:
    """Describe the study in its run folder, again if it now has more trials or more at once."""
    spec = plan.spec
    about: dict[str, Any] = {
        "job": "study",
        "name": spec.name,
        "fingerprint": plan.fingerprint,
        "title": spec.name,
        "what": f"A study of {spec.trials} trials ({spec.title}).",
        "made_by": study_made_by(plan.base.spec.steps, spec.space, spec.sampler.name, spec.title),
    }
    if plan.plugins:
        about["plugins"] = plan.plugins
    if first := next((step for step in plan.base.steps if step.data), None):
        about["dataset"] = dataset_of(first, plan.base.catalog)
    register(plan.run, about, plan.spec.resolved())
    write_spec(plan.run, plan.spec.resolved())


def with_images(plan: StudyPlan, display: Display) -> StudyPlan:
    """The plan with the images of all trials prepared, each dataset once, so that its runs are final.

    Raises StorageError, and DataError for the images of the first values: of others only their trials fail.
    """
    wanted = list(images_wanted(plan))
    first = [data for step in plan.base.steps for data in step.images]
    for data, step in wanted:
        try:
            plan.base.catalog.prepare(data, step.job.resources, display.task)
        except DataError as error:
            if data in first:
                raise
            log.warning("trials on these images will fail: %s", error)
    is_final = plan.base.is_final and not wanted  # another process may have prepared them since
    return plan if is_final else plan_study(plan.spec, plan.base.catalog)


def _run_trials(
    plan: StudyPlan, records: list[TrialRecord], display: Display, mirror: Mirror
) -> list[TrialRecord]:
    """Run what is missing. Returns all records, in the order of their numbers."""
    with Journal(plan.spec, plan.run, records) as journal, Follower(mirror):
        _run_shared(plan, display, mirror)
        searcher = Searcher(plan.spec, negate_metric=plan.negate_metric)
        queue = Queue(
            plan.study, searcher, records, plan.spec.parallel, plan.base.catalog, on_start=journal.start
        )
        progress = Progress(plan.spec, queue, display)

        def on_trial_end(record: TrialRecord) -> None:
            queue.done(record)
            _note_objectives(plan, record)
            journal.end(record)
            progress(record)

        if plan.on_ray:
            from preimage.tuning.on_ray import run_on_ray  # imported only if it is needed

            run_on_ray(plan, queue, on_trial_end)
        else:
            _run_here(plan, queue, on_trial_end)
    return sorted(queue.records.values(), key=lambda each: each.number)


def _note_objectives(plan: StudyPlan, record: TrialRecord) -> None:
    """A complete trial's objectives are the study's own curves, by the trial's number."""
    if record.state == "complete":
        plan.run.record(record.number, {plain_name(name): each for name, each in record.values.items()})


def _run_here(plan: StudyPlan, queue: Queue, on_trial_end: Callable[[TrialRecord], None]) -> None:
    """One trial after another, in this process."""
    while ready := queue.next():
        on_trial_end(run_trial(plan.study, *ready, plan.base.catalog))


def _run_shared(plan: StudyPlan, display: Display, mirror: Mirror) -> None:
    """Run the steps that all trials share, once, before any trial."""
    for step in shared_steps(plan):
        if not step.is_done:
            execute(plan.base.alone(step), display, parent=mirror)


def _record_missed(plan: StudyPlan, records: list[TrialRecord], mirror: Mirror) -> None:
    """Record trials in the tracker that ended while it did not answer, or whose study was deleted there."""
    if not mirror.is_recorded:
        mirror.begin()  # a trial's process may have found it deleted
    for record in records:
        if not record.run:
            continue
        own = Mirror(RunFolder(plan.root / "runs" / record.run), mirror.tracker, mirror)
        if own.has_ended(STATUS[record.state]):
            continue
        trial = plan_trial(plan.study, record.number, record.params, plan.base.catalog)
        if trial.is_done:
            execute(trial, parent=mirror, trial=about_trial(plan.spec, record.number, record.params))
        else:
            tell_ended(trial, mirror.tracker, mirror, STATUS[record.state])


def _outcome(plan: StudyPlan, records: list[TrialRecord], run_id: str | None) -> Outcome:
    """Write the report. Raises PreimageError if no trial is complete."""
    result = _report(plan, records)
    figures = write_result(plan.run, result)
    _require_one(records)
    return Outcome(
        job="study",
        name=plan.spec.name,
        run=plan.run.name,
        fingerprint=plan.fingerprint,
        metrics=plain_names(result.metrics),
        folder=plan.run.folder.uri,
        figures=figures,
        mlflow_run_id=run_id,
        headline=["best_trial", *(f"best.{plain_name(name)}" for name in plan.spec.objectives)],
        seconds=round(sum(each.seconds for each in records), 3),
    )


def _report(plan: StudyPlan, records: list[TrialRecord]) -> Result:
    from preimage.tuning.report import report  # imports what draws, which takes a second

    return report(plan.spec, records, read_picks(plan.run.folder))


def _require_one(records: list[TrialRecord]) -> None:
    if any(each.state == "complete" for each in records):
        return
    first = next((each for each in records if each.state == "failed"), records[0])
    raise PreimageError(
        f"none of {len(records)} trials is complete. The first that failed is trial {first.number}: "
        f"{first.error}. Change the spec, or run the same command with --retry-failed."
    )
