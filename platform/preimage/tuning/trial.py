"""One trial of a study, from its parameters to its record. Plain Python: it knows nothing of Ray."""

import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal

from preimage.data.catalog import Catalog
from preimage.errors import PreimageError, StoppedEarly, StorageError, TrackingError
from preimage.jobs.base import Job
from preimage.pipelines.cost import cost_of
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.plan import Plan
from preimage.pipelines.prepare_images import with_images
from preimage.pipelines.progress import Silent
from preimage.pipelines.titles import trial_title
from preimage.runs.metrics import numbers, plain_name
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.specs.objectives import lowest_is_best, recorders
from preimage.specs.pipeline import Spec
from preimage.specs.study import StudySpec
from preimage.tracking.mirror import Mirror
from preimage.tracking.open import open_tracker
from preimage.tracking.tracker import Tracker
from preimage.tuning.naming import short_names
from preimage.tuning.pruning import Curve, Others, Rule, StopTraining
from preimage.tuning.records import TrialRecord, read_records, write_record
from preimage.tuning.searcher import visible_trials

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyRun:
    """A study with its run folder. It is sent to Ray workers."""

    spec: StudySpec
    run: RunFolder
    in_process: bool = True
    """Whether a trial runs in one process; otherwise its steps' own resources count."""
    gpu: bool | Literal["auto"] = "auto"
    """Whether that process has a GPU of its own, once it is placed."""


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended."""

    state: Any
    values: dict[str, float]
    metrics: dict[str, float]
    error: str | None = None
    traceback: str | None = None


def plan_trial(
    study: StudyRun, number: int, params: Mapping[str, Any], catalog: Catalog | None = None
) -> Plan:
    """Plan a trial. catalog: of the study's images, already opened in this process.

    Raises PreimageError if the trial cannot run.
    """
    spec = study.spec.spec_of(params, f"{study.spec.name}-{number:04d}")
    return make_plan(_in_process(spec, study.gpu) if study.in_process else spec, catalog=catalog)


def run_trial(
    study: StudyRun, number: int, params: Mapping[str, Any], catalog: Catalog | None = None
) -> TrialRecord:
    """Run a trial, or resume it, and write its record.

    A trial's own failure is not raised: it is in the record. Raises StorageError if the results or the record
    cannot be written: a full disk is not the trial's failure, and the trial still has to run.
    """
    begin, plan, rule = time.monotonic(), None, None
    try:
        plan = with_images(plan_trial(study, number, params, catalog), Silent())
        rule = stop_rule(study, number, plan)
        about = about_trial(study.spec, number, params)
        found = _stopped_before(rule) or _run(study, plan, rule, about)
    except StoppedEarly as error:
        found = TrialResult("stopped", {}, {}, str(error))
    except StorageError:
        raise
    except PreimageError as error:
        found = TrialResult("failed", {}, {}, str(error))
    except Exception as error:  # anything else is our defect; the other trials continue
        found = TrialResult("failed", {}, {}, f"{type(error).__name__}: {error}", traceback.format_exc())
    record = TrialRecord(
        number=number,
        params=dict(params),
        state=found.state,
        values=found.values,
        intermediate=tuple(_curve(rule)),
        metrics=found.metrics,
        error=found.error,
        traceback=found.traceback,
        run=plan.run.name if plan else None,
        folder=plan.run.folder.uri if plan else None,
        samples=_samples(plan) if plan else None,
        seconds=round(time.monotonic() - begin, 3),
        cost=cost_of(plan, plan.steps) if plan else {},
    )
    write_record(study.run.folder, record)
    return record


def failed(number: int, params: Mapping[str, Any], error: str) -> TrialRecord:
    """The record of a trial that failed before it could write one itself."""
    return TrialRecord(number=number, params=dict(params), state="failed", error=error)


def stop_rule(study: StudyRun, number: int, plan: Plan) -> StopTraining | None:
    """When the trial's training run stops early; None if the study stops none."""
    config = study.spec.scheduler
    steps = recorders(plan.spec, config.metric) if config.name != "none" and config.metric else []
    if not steps or not config.metric:
        return None
    known = visible_trials(study.spec, number)
    others = Others.of([each for each in read_records(study.run.folder) if each.number in known])
    rule = Rule(config, lowest_is_best(plan.spec, config.metric), others)
    return StopTraining(rule, next(step.run for step in plan.steps if step.name == steps[0]))


def about_trial(spec: StudySpec, number: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a trial's run.json says of it as a trial."""
    return {
        "title": trial_title(number, params, _names(spec)),
        "what": f"Trial {number} of the study {spec.name}.",
        "varied": dict(params),
    }


def _names(spec: StudySpec) -> dict[str, str]:
    """The keys of the space in short: `optimizer` for train.optimizer.name."""
    keys = {key: key.removesuffix(".name") for key in spec.space}
    short = short_names(keys.values())
    return {key: short[each] for key, each in keys.items()}


def _run(study: StudyRun, plan: Plan, rule: StopTraining | None, about: Mapping[str, Any]) -> TrialResult:
    """Raises what `execute` raises."""
    tracker = _open_tracker(study, plan)
    if tracker is None:
        plan = replace(
            plan, spec=replace(plan.spec, tracking=plan.spec.tracking.model_copy(update={"uri": "none"}))
        )
    parent = Mirror(study.run, tracker) if tracker else None
    outcome = execute(plan, parent=parent, stop_early=rule, trial=about)
    return _found(study.spec, plan, outcome)


def _open_tracker(study: StudyRun, plan: Plan) -> Tracker | None:
    """The tracker; None if it does not answer. It did when the study began, so the trial must not fail."""
    try:
        return open_tracker(study.spec.tracking, plan.root)
    except TrackingError as error:
        log.warning("%s %s will be recorded when the study ends.", error, plan.spec.name)
        return None


def _in_process(spec: Spec, gpu: bool | Literal["auto"]) -> Spec:
    def alone(job: Job) -> Job:
        own = job.resources
        return job.model_copy(update={"resources": own.placed(gpu if own.gpu == "auto" else own.gpu)})

    return replace(spec, steps={name: alone(job) for name, job in spec.steps.items()})


def _stopped_before(rule: StopTraining | None) -> TrialResult | None:
    """The result if the training run already went further, in an interrupted attempt or another study."""
    if rule and (reason := rule.rule.cut(_whole_curve(rule))[1]):
        rule.run.folder.settle()  # the record relies on it
        return TrialResult("stopped", {}, {}, reason)
    return None


def _curve(rule: StopTraining | None) -> Curve:
    """The scheduler's metric, up to where the trial stops."""
    return rule.rule.cut(_whole_curve(rule))[0] if rule else ()


def _whole_curve(rule: StopTraining) -> Curve:
    return rule.run.curve(str(rule.rule.config.metric))


def _found(spec: StudySpec, plan: Plan, outcome: Outcome) -> TrialResult:
    """The result of a trial; failed if an objective is missing or is not a finite number."""
    metrics = numbers(outcome.metrics)
    if missing := [name for name in spec.objectives if plain_name(name) not in metrics]:
        return TrialResult("failed", {}, metrics, f"its outcome has no {', '.join(missing)}")
    values = {name: metrics[plain_name(name)] for name in spec.objectives}
    if wrong := [f"{name} is {value}" for name, value in values.items() if not isfinite(value)]:
        return TrialResult("failed", {}, metrics, f"{', '.join(wrong)}: not a number that can be ranked")
    return TrialResult("complete", values, metrics)


def _samples(plan: Plan) -> str | None:
    """The last generator's samples; the newest grid of a training run that did not finish."""
    for step in reversed(plan.steps):
        if "generator" in step.job.makes:
            if step.run.figures.exists("samples.png"):
                return f"{step.run.figures / 'samples.png'}"
            if grids := step.run.samples.names():
                return f"{step.run.samples / grids[-1]}"
    return None
