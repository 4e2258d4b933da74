"""The outcomes of a step and of a pipeline."""

from collections.abc import Iterable, Mapping
from typing import Any

from preimage.jobs.base import Result
from preimage.pipelines.cost import cost_of
from preimage.pipelines.lifecycle import write_result
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.runs import attempts
from preimage.runs.metrics import plain_name, plain_names
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome


def step_outcome(plan: Plan, step: PlannedStep, result: Result, run_id: str | None) -> Outcome:
    run, worked = step.run, attempts.read(step.run)
    figures = write_result(run, result)
    made = [name for name, row in PRODUCTS.items() if name in step.job.makes and row.is_result]
    return Outcome(
        job=step.job.job,
        name=step.name,
        run=run.name,
        fingerprint=step.fingerprint,
        metrics=plain_names(result.metrics),
        folder=run.folder.uri,
        products={name: run.product(name).uri for name in made},
        figures=figures,
        mlflow_run_id=run_id,
        headline=[plain_name(each.name) for each in step.job.metrics() if each.headline],
        seconds=attempts.seconds(worked),
        cost=cost_of(plan, [step]),
        hardware=attempts.hardware(worked),
    )


def pipeline_outcome(plan: Plan, outcomes: dict[str, Outcome], run_id: str | None) -> Outcome:
    """A pipeline's outcome: what all steps made, each name after its step's."""
    return Outcome(
        job="pipeline",
        name=plan.spec.name,
        run=plan.run.name,
        fingerprint=plan.fingerprint,
        metrics=_by_step({step: each.metrics for step, each in outcomes.items()}),
        folder=plan.run.folder.uri,
        products=_by_step({step: each.products for step, each in outcomes.items()}),
        figures=_by_step({step: each.figures for step, each in outcomes.items()}),
        mlflow_run_id=run_id,
        steps={name: each.plain() for name, each in outcomes.items()},
        headline=[f"{step}.{name}" for step, each in outcomes.items() for name in each.headline],
        seconds=_seconds(outcomes.values()),
    )


def _seconds(outcomes: Iterable[Outcome]) -> float | None:
    """What all steps took; steps that are the same run count once. None if it is not known of one."""
    found = {each.run: each.seconds for each in outcomes}.values()
    return None if None in found else round(sum(each or 0.0 for each in found), 3)


def _by_step(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One mapping of several, by `<step>.<name>`."""
    return {f"{step}.{name}": value for step, part in parts.items() for name, value in part.items()}
