"""Run a plan: each step in its own folder, recorded by the tracker, skipped where it is done."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import yaml

from preimage.data.prepare import dataset_name
from preimage.errors import StoppedEarly, StorageError, TrackingError
from preimage.jobs.context import Context, Result
from preimage.jobs.registry import JOBS
from preimage.pipelines.inputs import finished
from preimage.pipelines.plan import Plan, PlannedStep, leave_out
from preimage.pipelines.progress import Show, Silent
from preimage.pipelines.provenance import git_commit, submitted_as, versions
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.specs import overrides
from preimage.storage.host_info import now
from preimage.storage.locks import locked
from preimage.tracking.mirror import Follower, Mirror
from preimage.tracking.system import SystemWatch
from preimage.tracking.tracker import Status, Tracker, open_tracker
from preimage.training.training import StopRule

log = logging.getLogger(__name__)


def execute(
    plan: Plan, show: Show | None = None, above: Mirror | None = None, stop_early: StopRule | None = None
) -> Outcome:
    """Run what is not finished and return the outcome, a pipeline's or the single job's.

    above: the tracker's run of the study that this is a trial of. stop_early: when a training is given up,
    as StoppedEarly. Raises PreimageError; what was made until then stays, and running the same plan again
    goes on from there.
    """
    show = show or Silent()
    tracker = open_tracker(plan.spec.tracking, plan.root)
    if not plan.spec.is_pipeline:
        return _settle(plan, plan.steps[0], tracker, above, show, stop_early)
    with locked(plan.run.folder):
        return _run_pipeline(plan, tracker, show, above, stop_early)


def _run_pipeline(
    plan: Plan, tracker: Tracker, show: Show, above: Mirror | None, stop_early: StopRule | None
) -> Outcome:
    parent = _begin_pipeline(plan, tracker, above)
    status: Status = "FAILED"
    try:
        outcomes: dict[str, Outcome] = {}
        for place in range(len(plan.steps)):
            step = leave_out(plan).steps[place]  # as the steps before it came out
            if step.state == "left out":
                show.say(f"[bold]{step.name}[/bold] ({step.config.job}): left out, {_why(plan)}")
            else:
                outcomes[step.name] = _settle(plan, step, tracker, parent, show, stop_early)
        status = "FINISHED"
    except (KeyboardInterrupt, StoppedEarly):
        status = "KILLED"
        raise
    finally:
        if status != "FINISHED":
            _try(parent.end, status)
    outcome = plan.run.outcome() if _is_finished(plan) else None
    if not outcome:
        outcome = _whole(plan, outcomes, parent.notes.run_id)
        plan.run.finish(outcome)
    _try(parent.finish)
    return outcome


def _begin_pipeline(plan: Plan, tracker: Tracker, above: Mirror | None) -> Mirror:
    about = {"job": "pipeline", "name": plan.spec.name, "fingerprint": plan.fingerprint}
    register(plan.run, about, plan.spec.resolved())
    mirror = Mirror(plan.run, tracker, above)
    return mirror if _is_finished(plan) else _begin(mirror)


def _is_finished(plan: Plan) -> bool:
    return all(step.state in ("finished", "left out") for step in plan.steps)


def _why(plan: Plan) -> str:
    assert plan.spec.rounds
    return f"for {plan.spec.rounds.metric} no longer falls"


def _settle(
    plan: Plan,
    step: PlannedStep,
    tracker: Tracker,
    parent: Mirror | None,
    show: Show,
    stop_early: StopRule | None,
) -> Outcome:
    """A step's outcome: the one it has, or else the one it gets now, unless another process is making it."""
    if not finished(step.run, step.config.GIVES):
        with locked(step.run.folder):
            if not finished(step.run, step.config.GIVES):
                return _make(plan, step, Mirror(step.run, tracker, parent), show, stop_early)
    outcome = finished(step.run, step.config.GIVES)
    assert outcome
    show.say(f"[bold]{step.name}[/bold] ({step.config.job}): finished already, {step.run.name}")
    _try(Mirror(step.run, tracker, parent).finish)
    return outcome


def _make(plan: Plan, step: PlannedStep, mirror: Mirror, show: Show, stop_early: StopRule | None) -> Outcome:
    goes_on = ", goes on where it stopped" if step.run.folder.exists("run.json") else ""
    show.say(f"[bold]{step.name}[/bold] ({step.config.job}): {step.run.name}{goes_on}")
    _register_step(plan, step)
    with _closing(_begin(mirror)), SystemWatch(step.run), Follower(mirror):
        context = Context(
            run=step.run,
            datasets=plan.datasets,
            fingerprint=step.fingerprint,
            resources=step.config.resources,
            inputs={key: each.folder for key, each in step.inputs.items()},
            stop_early=stop_early,
            show=show.task,
        )
        result = JOBS[step.config.job].run(step.config, context)
        outcome = _outcome(step, result, mirror.notes.run_id)
        step.run.finish(outcome)
    _try(mirror.finish)
    return outcome


def _register_step(plan: Plan, step: PlannedStep) -> None:
    about: dict[str, Any] = {"job": step.config.job, "name": step.name, "fingerprint": step.fingerprint}
    single = {"results": plan.spec.results, "tracking": plan.spec.tracking.model_dump(mode="json")}
    named = {key: each.folder.uri for key, each in step.inputs.items()}
    about |= {"inputs": named} if named else {}
    job = overrides.apply(step.config.model_dump(mode="json"), named)
    if step.data:
        address = (plan.datasets / dataset_name(step.data)).uri
        about["dataset"] = {"source": step.data.source, "address": address}
    register(step.run, about, {"name": step.name} | job | single)


def register(run: RunFolder, about: dict[str, Any], spec: dict[str, Any]) -> None:
    """Say in a new run's folder what it is; its key tells it from every other run wherever it is recorded."""
    if run.folder.exists("run.json"):
        return
    run.folder.write("spec.yaml", yaml.safe_dump(spec, sort_keys=False, allow_unicode=True).encode())
    made_with = {"git_commit": git_commit(), "versions": versions(), **submitted_as()}
    record = {**about, "key": uuid4().hex, "created": now(), **made_with}
    run.folder.write_json("run.json", record)


def _begin(mirror: Mirror) -> Mirror:
    _try(mirror.begin)
    return mirror


@contextmanager
def _closing(mirror: Mirror) -> Iterator[None]:
    """End the tracker's run in the way its work ended, where that is not well."""
    try:
        yield
    except (KeyboardInterrupt, StoppedEarly):
        _try(mirror.follow)
        _try(mirror.end, "KILLED")
        raise
    except BaseException:
        _try(mirror.follow)
        _try(mirror.end, "FAILED")
        raise


def _try(call: Any, *arguments: Any) -> None:
    """Tell the tracker; if it does not answer, say so and go on: the next run of the spec tells it again."""
    try:
        call(*arguments)
    except (TrackingError, StorageError) as error:
        log.warning(
            "%s The run is not harmed; if this stays, run the same command again to record it.", error
        )


def _outcome(step: PlannedStep, result: Result, run_id: str | None) -> Outcome:
    run, gives = step.run, step.config.GIVES
    return Outcome(
        job=step.config.job,
        name=step.name,
        run=run.name,
        fingerprint=step.fingerprint,
        metrics=result.metrics,
        folder=run.folder.uri,
        generator=run.generator.uri if "generator" in gives else None,
        store=run.store.uri if "store" in gives else None,
        classifier=run.classifier.uri if "classifier" in gives else None,
        prior=run.prior.uri if "prior" in gives else None,
        figures={name.removesuffix(".png"): f"{run.figures.uri}/{name}" for name in result.figures},
        mlflow_run_id=run_id,
    )


def _whole(plan: Plan, outcomes: dict[str, Outcome], run_id: str | None) -> Outcome:
    """A pipeline's outcome: the figures of all its steps, a later step's before an earlier one's."""
    parts = outcomes.values()

    def last(key: str) -> str | None:
        return next((value for each in reversed(parts) if (value := getattr(each, key))), None)

    return Outcome(
        job="pipeline",
        name=plan.spec.name,
        run=plan.run.name,
        fingerprint=plan.fingerprint,
        metrics={name: value for each in parts for name, value in each.metrics.items()},
        folder=plan.run.folder.uri,
        generator=last("generator"),
        store=last("store"),
        classifier=last("classifier"),
        prior=last("prior"),
        figures={name: path for each in parts for name, path in (each.figures or {}).items()},
        mlflow_run_id=run_id,
        steps={name: each.plain() for name, each in outcomes.items()},
    )
