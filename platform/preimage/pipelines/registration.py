"""What run.json says of a step's and of a pipeline's run before it begins."""

from collections.abc import Mapping
from typing import Any

from preimage.data.catalog import Catalog
from preimage.jobs.base import Job
from preimage.jobs.made_by import made_by
from preimage.jobs.references import images_named
from preimage.pipelines.inputs import Input
from preimage.pipelines.lifecycle import register
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.titles import title_of
from preimage.specs import overrides
from preimage.specs.header import first_sentence
from preimage.storage.folder import Folder

More = Mapping[str, Any]
"""What run.json says besides: which run it is a part of; of a trial, its number and its parameters."""


def register_pipeline(plan: Plan, more: More) -> None:
    """Describe a pipeline in its folder."""
    about: dict[str, Any] = {"job": "pipeline", "name": plan.spec.name, "fingerprint": plan.fingerprint}
    about |= {"title": plan.spec.name, "what": _what(f"A pipeline of {len(plan.steps)} steps", plan)}
    about |= {"steps": {step.name: step.run.name for step in plan.steps}, **more}
    if plan.plugins:
        about["plugins"] = plan.plugins
    register(plan.run, about, plan.spec.resolved())


def register_step(plan: Plan, step: PlannedStep, more: More) -> None:
    """Describe a step in its run's folder."""
    spec, folders = plan.spec, folders_of(step)
    about: dict[str, Any] = {"job": step.job.job, "name": step.name, "fingerprint": step.fingerprint}
    if step.plugins:
        about["plugins"] = step.plugins
    if step.inputs:
        about["inputs"] = {key: _used(each) for key, each in step.inputs.items()}
    if step.data:
        about["dataset"] = dataset_of(step, plan.catalog)
    named = images_named(step.job)
    about["images"] = {key: plan.catalog.folder(each).uri for key, each in named.items()}
    about["made_by"] = made_by(step.job, folders, plan.catalog, spec.title, step.plugins)
    about |= {"title": title_of(step, spec.is_pipeline), "what": _what(_in_brief(step.job), plan), **more}
    addresses = {key: each.uri for key, each in folders.items()}
    job = overrides.apply(step.job.model_dump(mode="json"), addresses)
    register(step.run, about, {"name": step.name} | job | spec.around)


def _what(text: str, plan: Plan) -> str:
    return f"{text} ({plan.spec.title})."


def folders_of(step: PlannedStep) -> dict[str, Folder]:
    """The folders of the products that a step takes, by dotted key."""
    return {key: each.folder for key, each in step.inputs.items()}


def dataset_of(step: PlannedStep, catalog: Catalog) -> dict[str, str]:
    """What run.json says of a step's images."""
    assert step.data
    context = "training" if step.job.trains else "evaluation"
    return {"source": step.data.source, "address": catalog.folder(step.data).uri, "context": context}


def _in_brief(job: Job) -> str:
    """The first sentence of what its kind does."""
    return first_sentence(" ".join((type(job).__doc__ or job.job).split())).split(":")[0].rstrip(".")


def _used(each: Input) -> dict[str, str]:
    """What a run's run.json says of a product that it takes."""
    named = {"model": each.model} if each.model else {}
    return {"product": each.product, "address": each.folder.uri} | named
