"""Plan a spec's steps: each one's inputs, images, fingerprint and folder, and what is already done."""

from dataclasses import replace
from typing import Any

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import PreimageError
from preimage.jobs.base import Job
from preimage.jobs.references import Reference, images_named, references
from preimage.jobs.registry import plugins_of
from preimage.models.cards import require_images
from preimage.pipelines.compatibility import generator_of, require_compatible
from preimage.pipelines.inputs import Input, find_product, finished
from preimage.pipelines.plan import Earlier, Plan, PlannedStep, State
from preimage.pipelines.rounds import skipped, without
from preimage.runs.run_folder import RunFolder
from preimage.specs.pipeline import Spec
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.tracking.config import TrackingConfig

_REMOVED = object()


def make_plan(spec: Spec, fresh: bool = False, catalog: Catalog | None = None) -> Plan:
    """Plan a spec's steps. Starts nothing, and writes nothing but generators that it downloads from MLflow.

    fresh: plan new runs of everything; earlier ones are kept. catalog: from an earlier plan with the same
    results, so that its sources are not opened again. Raises SpecError, DataError, GeneratorError,
    InversionError, StoreError, ClassifierError or TrackingError if something is missing or wrong."""
    root = Folder.at(spec.results)
    catalog = catalog or Catalog(root / "datasets")
    steps: dict[str, PlannedStep] = {}
    for name, job in spec.steps.items():
        try:
            catalog.count(job.own_data)
            if job.resources.backend == "local" and job.resources.gpu is True:
                job.resources.device()  # raises if there is no GPU; imports torch
            job.check(catalog)
            steps[name] = _plan_step(name, job, steps, root / "runs", fresh, catalog, spec)
        except PreimageError as error:
            raise type(error)(f"step {name}: {error}" if spec.is_pipeline else str(error)) from error
    planned = tuple(steps.values())
    identity: list[Any] = [step.fingerprint for step in planned]
    if spec.rounds and spec.rounds.watched:
        identity.append([spec.rounds.watched, spec.rounds.metric])
    fingerprint = digest(canonical_json(identity).encode())
    run = _run_folder(root / "runs", "pipeline", fingerprint, fresh) if spec.is_pipeline else planned[0].run
    plan = skip_rounds(Plan(spec, root, catalog, planned, fingerprint, run, fresh))
    return replace(plan, spec=spec.renamed(plan.versions))


def skip_rounds(plan: Plan) -> Plan:
    """The plan without the rounds that finished runs show to bring no improvement. Later steps then name only
    what is made, and are the same runs as in a pipeline of fewer rounds."""
    steps = {step.name: step for step in plan.steps}
    skip = skipped(plan.spec.rounds, steps)
    for name, step in steps.items():
        if name in skip:
            steps[name] = replace(step, state="skipped")
        elif skip & {each.step for each in step.inputs.values()}:
            job = without(step.job, skip)
            earlier = {key: each for key, each in steps.items() if key != name}
            runs = plan.root / "runs"
            steps[name] = _plan_step(name, job, earlier, runs, plan.fresh, plan.catalog, plan.spec)
    return replace(plan, steps=tuple(steps.values()))


def _plan_step(
    name: str,
    job: Job,
    earlier: Earlier,
    runs: Folder,
    fresh: bool,
    catalog: Catalog,
    spec: Spec,
) -> PlannedStep:
    shared = spec.data
    inputs = {key: _input(named, earlier, runs, spec.tracking) for key, named in references(job).items()}
    if may_share_images(job) and not _images_of_generators(inputs, earlier):
        catalog.count(shared)
        job = job.model_copy(update={"data": shared})
    data = _data(job, inputs, earlier)
    hidden = shared if may_share_images(job) and data != shared else None
    require_compatible(job, inputs, data, earlier, catalog)
    if data:
        job.check_images(data, catalog)
    fingerprint = _fingerprint(job, inputs, data, catalog)
    run = _run_folder(runs, job.job, fingerprint, fresh)
    plugins = plugins_of(job, data)
    for each in inputs.values():
        plugins |= _plugins_of(each, earlier)
    step = PlannedStep(name, job, fingerprint, run, _state(run, job), inputs, data, hidden, plugins)
    depends = [earlier[each.step] for each in inputs.values() if each.step]
    ready = all(map(catalog.is_identified, step.images)) and all(each.is_final for each in depends)
    return replace(step, is_final=ready)


def _input(named: Reference, earlier: Earlier, runs: Folder, tracking: TrackingConfig) -> Input:
    if named in earlier:
        step = earlier[named]
        return Input(named.product, step.run.product(named.product), step.fingerprint, step.name)
    return find_product(named, named.product, runs, tracking)


def _plugins_of(each: Input, earlier: Earlier) -> dict[str, str]:
    """The plugins that it takes to read an input: those of a fitted prior, which is also in the folder of a
    generator that was trained with it."""
    if not each.step:
        return each.plugins
    maker = earlier[each.step]
    if each.product == "prior":
        return dict(maker.plugins)
    priors = [one for one in maker.inputs.values() if one.product == "prior"]
    found = [_plugins_of(one, earlier) for one in priors] if each.product == "generator" else []
    return {name: number for one in found for name, number in one.items()}


def _data(job: Job, inputs: dict[str, Input], earlier: Earlier) -> DataConfig | None:
    """The images of a step: its own, or those that its generator was or will be trained on.

    Raises GeneratorError if a generator makes images of another shape, and what `check_generator` raises.
    """
    data = job.own_data or _images_of_generators(inputs, earlier)
    if "generator" in inputs:
        model, _ = generator_of(inputs["generator"], earlier)
        if data:
            require_images(model, data.shape)
        job.check_generator(model)
    return data


def may_share_images(job: Job) -> bool:
    """Whether a job has a key for images and leaves it out."""
    return "data" in type(job).model_fields and job.own_data is None


def _images_of_generators(inputs: dict[str, Input], earlier: Earlier) -> DataConfig | None:
    """The images that the first of a step's generators was or will be trained on."""
    generators = [each for each in inputs.values() if each.product == "generator"]
    return generator_of(generators[0], earlier)[1] if generators else None


def _fingerprint(job: Job, inputs: dict[str, Input], data: DataConfig | None, catalog: Catalog) -> str:
    """Of what decides a run's result: the job without its resources, its inputs and its images. Inputs and
    images count by their content, not by their names."""
    images = images_named(job)
    settings = _without(job.identity(), {*images, *inputs})
    own = data if "data" in type(job).model_fields else None
    identity: dict[str, Any] = {
        "job": settings,
        "inputs": {key: each.fingerprint for key, each in inputs.items()},
        "images": {key: catalog.key(each) for key, each in images.items()},
        "data": catalog.key(own) if own else None,
    }
    if plugins := plugins_of(job, own):  # those of its inputs decided what these are
        identity["plugins"] = plugins
    return digest(canonical_json(identity).encode())


def _without(value: Any, keys: set[str], here: str = "") -> Any:
    """Settings without these dotted keys. A container that held only these becomes _REMOVED."""
    if here in keys:
        return _REMOVED
    before = f"{here}." if here else ""
    if isinstance(value, dict):
        parts = {key: _without(each, keys, f"{before}{key}") for key, each in value.items()}
        kept = {key: each for key, each in parts.items() if each is not _REMOVED}
    elif isinstance(value, list):
        parts = [_without(each, keys, f"{before}{i}") for i, each in enumerate(value)]
        kept = [each for each in parts if each is not _REMOVED]
    else:
        return value
    return _REMOVED if parts and not kept else kept


def _run_folder(runs: Folder, kind: str, fingerprint: str, fresh: bool) -> RunFolder:
    """`<job>-<fingerprint>`, or the last of its repetitions `...-r2`, `...-r3`."""
    base, number = f"{kind}-{fingerprint[:10]}", 1
    names = set(runs.names())
    while f"{base}-r{number + 1}" in names:
        number += 1
    if fresh and base in names:
        number += 1
    return RunFolder(runs / (base if number == 1 else f"{base}-r{number}"))


def _state(run: RunFolder, job: Job) -> State:
    if finished(run, job.makes):
        return "finished"
    if not run.folder.exists("run.json"):
        return "new"
    run.about_or_none()  # raises for a run of another format, before anything is made in it
    return "begun"
