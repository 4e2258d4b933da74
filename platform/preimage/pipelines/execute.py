"""Run a plan: each step in its own folder, recorded by the tracker, skipped where it is done."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import yaml

from preimage.data.prepare import dataset_name
from preimage.errors import TrackingError
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.progress import Show, Silent
from preimage.pipelines.provenance import git_commit, versions
from preimage.recipes.context import Context, Result
from preimage.recipes.jobs import JOBS
from preimage.runs import Outcome, RunFolder
from preimage.tracking.mirror import Follower, Mirror
from preimage.tracking.tracker import Status, Tracker, open_tracker

log = logging.getLogger(__name__)


def execute(plan: Plan, show: Show | None = None) -> Outcome:
    """Run what is not finished and return the outcome, a pipeline's or the single job's.

    Raises PreimageError; what was made until then stays, and running the same plan again goes on from there.
    """
    show = show or Silent()
    tracker = open_tracker(plan.spec.tracking, plan.root)
    parent = _begin_pipeline(plan, tracker) if plan.spec.is_pipeline else None
    status: Status = "FAILED"
    try:
        outcomes = {step.name: _settle(plan, step, tracker, parent, show) for step in plan.steps}
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        if parent and status != "FINISHED":
            _try(parent.end, status)
    if not parent:
        return next(iter(outcomes.values()))
    outcome = _whole(plan, outcomes, parent.run_id)
    plan.run.finish(outcome)
    _try(parent.finish, outcome)
    return outcome


def _begin_pipeline(plan: Plan, tracker: Tracker) -> Mirror:
    about = {"job": "pipeline", "name": plan.spec.name, "fingerprint": plan.fingerprint}
    return _begin(plan.run, about, plan.spec.resolved(), tracker, None)


def _settle(plan: Plan, step: PlannedStep, tracker: Tracker, parent: Mirror | None, show: Show) -> Outcome:
    """A step's outcome: the one it has, or else the one it gets now."""
    if outcome := step.run.outcome():
        show.say(f"[bold]{step.name}[/bold] ({step.config.job}): finished already, {step.run.name}")
        _try(Mirror(step.run, tracker, str(outcome.mlflow_run_id)).finish, outcome)
        return outcome
    goes_on = ", goes on where it stopped" if step.run.folder.exists("run.json") else ""
    show.say(f"[bold]{step.name}[/bold] ({step.config.job}): {step.run.name}{goes_on}")
    mirror = _begin_step(plan, step, tracker, parent)
    with _closing(mirror), Follower(mirror):
        context = Context(
            run=step.run,
            datasets=plan.datasets,
            fingerprint=step.fingerprint,
            resources=step.config.resources,
            inputs={key: each.folder for key, each in step.inputs.items()},
            show=show.task,
        )
        result = JOBS[step.config.job].run(step.config, context)
        outcome = _outcome(step, result, mirror.run_id)
        step.run.finish(outcome)
    _try(mirror.finish, outcome)
    return outcome


def _begin_step(plan: Plan, step: PlannedStep, tracker: Tracker, parent: Mirror | None) -> Mirror:
    about = {"job": step.config.job, "name": step.name, "fingerprint": step.fingerprint}
    single = {"results": plan.spec.results, "tracking": plan.spec.tracking.model_dump(mode="json")}
    named = {key: each.folder.uri for key, each in step.inputs.items()}
    spec = {"name": step.name} | step.config.model_dump(mode="json") | named | single
    mirror = _begin(step.run, about, spec, tracker, parent.run_id if parent else None)
    if step.data:
        name = dataset_name(step.data)
        fingerprint = name.rsplit("-", 1)[1]
        _try(tracker.dataset, mirror.run_id, step.data.source, fingerprint, f"{plan.datasets.uri}/{name}")
    return mirror


def _begin(
    run: RunFolder, about: dict[str, Any], spec: dict[str, Any], tracker: Tracker, parent: str | None
) -> Mirror:
    """Take up the tracker's run that belongs to a folder, or begin one."""
    if run.folder.exists("run.json"):
        known = run.folder.read_json("run.json")
        tracker.resume(known["mlflow_run_id"])
        return Mirror(run, tracker, known["mlflow_run_id"])
    commit, tools = git_commit(), versions()
    tags = {f"preimage.{key}": str(value) for key, value in about.items()}
    tags |= {"preimage.run": run.name, "preimage.folder": run.folder.uri}
    tags |= {"mlflow.source.git.commit": commit} if commit else {}
    tags |= {f"version.{name}": number for name, number in tools.items()}
    run_id = tracker.begin(about["name"], tags, parent)
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True).encode()
    run.folder.write("spec.yaml", text)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = {**about, "mlflow_run_id": run_id, "created": now, "git_commit": commit, "versions": tools}
    run.folder.write_json("run.json", record)
    mirror = Mirror(run, tracker, run_id)
    mirror.begin(spec, text)
    return mirror


@contextmanager
def _closing(mirror: Mirror) -> Iterator[None]:
    """End the tracker's run in the way its work ended, where that is not well."""
    try:
        yield
    except KeyboardInterrupt:
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
    except TrackingError as error:
        log.warning("%s The results are complete; run the same command again to record them.", error)


def _outcome(step: PlannedStep, result: Result, run_id: str) -> Outcome:
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
        figures={name.removesuffix(".png"): f"{run.figures.uri}/{name}" for name in result.figures},
        mlflow_run_id=run_id,
    )


def _whole(plan: Plan, outcomes: dict[str, Outcome], run_id: str) -> Outcome:
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
        figures={name: path for each in parts for name, path in (each.figures or {}).items()},
        mlflow_run_id=run_id,
        steps={name: each.plain() for name, each in outcomes.items()},
    )
