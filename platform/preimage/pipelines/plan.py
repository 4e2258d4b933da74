"""What a spec would do: each step's fingerprint, its folder, what it needs, and what is done already."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.prepare import dataset_key, dataset_name
from preimage.data.sources import known_count
from preimage.errors import DataError, PreimageError
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.registry import JOBS
from preimage.models.generator_folder import require_images
from preimage.pipelines.compatibility import IMAGES, generator_of, require_fitting
from preimage.pipelines.inputs import Input, find_product, finished
from preimage.pipelines.rounds import left_out, without
from preimage.runs.run_folder import RunFolder
from preimage.specs.pipeline import Spec
from preimage.storage.folder import Folder, canonical_json, digest

State = Literal["finished", "begun", "new", "left out"]

_GONE = object()


@dataclass(frozen=True)
class PlannedStep:
    """A job with its place: two jobs of one fingerprint are the same run."""

    name: str
    config: JobConfig
    fingerprint: str
    run: RunFolder
    state: State
    inputs: dict[str, Input] = field(default_factory=dict)
    data: DataConfig | None = None


@dataclass(frozen=True)
class Plan:
    """The steps of a spec, in order, and the folders they share."""

    spec: Spec
    root: Folder
    steps: tuple[PlannedStep, ...]
    fingerprint: str
    run: RunFolder
    """A pipeline's own folder; a single job's is its step's."""
    fresh: bool = False

    @property
    def datasets(self) -> Folder:
        return self.root / "datasets"


def make_plan(spec: Spec, fresh: bool = False) -> Plan:
    """Work out a spec's steps. Starts nothing and writes nothing.

    `fresh` plans new runs of everything, beside those that are there.
    Raises SpecError, DataError, GeneratorError, InversionError, StoreError, ClassifierError for what can be
    known to be missing or wrong.
    """
    root = Folder.at(spec.results)
    steps: dict[str, PlannedStep] = {}
    for name, config in spec.steps.items():
        images = image_count(getattr(config, "data", None), root / "datasets")
        try:
            JOBS[config.job].check(config, images)
            steps[name] = _plan_step(name, config, steps, root / "runs", fresh)
        except PreimageError as error:
            raise type(error)(f"step {name}: {error}" if spec.is_pipeline else str(error)) from error
    planned = tuple(steps.values())
    identity: list[Any] = [step.fingerprint for step in planned]
    if spec.rounds and spec.rounds.watched:
        identity.append([spec.rounds.watched, spec.rounds.metric])
    whole = digest(canonical_json(identity).encode())
    run = _run_folder(root / "runs", "pipeline", whole, fresh) if spec.is_pipeline else planned[0].run
    return leave_out(Plan(spec, root, planned, whole, run, fresh))


def leave_out(plan: Plan) -> Plan:
    """The plan without the rounds that finished runs show to be not worth while: the steps after them name
    only what is made, and are the same runs as those of a pipeline of fewer rounds."""
    steps = {step.name: step for step in plan.steps}
    gone = left_out(plan.spec.rounds, steps)
    for name, step in steps.items():
        if name in gone:
            steps[name] = replace(step, state="left out")
        elif gone & {each.step for each in step.inputs.values()}:
            config = without(step.config, gone)
            earlier = {key: each for key, each in steps.items() if key != name}
            steps[name] = _plan_step(name, config, earlier, plan.root / "runs", plan.fresh)
    return replace(plan, steps=tuple(steps.values()))


def _plan_step(
    name: str, config: JobConfig, earlier: dict[str, PlannedStep], runs: Folder, fresh: bool
) -> PlannedStep:
    inputs = {key: _input(*asked, earlier, runs) for key, asked in config.needs().items()}
    data = _data(config, inputs, earlier)
    require_fitting(config, inputs, earlier)
    fingerprint = _fingerprint(config, inputs, data)
    run = _run_folder(runs, config.job, fingerprint, fresh)
    return PlannedStep(name, config, fingerprint, run, _state(run, config), inputs, data)


def _input(name: str, product: Product, earlier: dict[str, PlannedStep], runs: Folder) -> Input:
    if name in earlier:
        step = earlier[name]
        return Input(getattr(step.run, product), step.fingerprint, name)
    return find_product(name, product, runs)


def _data(config: JobConfig, inputs: dict[str, Input], earlier: dict[str, PlannedStep]) -> DataConfig | None:
    """The images of a step: its own, or those that its generator was or will be trained on.

    Raises GeneratorError where a generator makes none of their shape, and what `require_usable` raises.
    """
    own = getattr(config, "data", None)
    if "generator" not in inputs:
        named = [key for key, (_, product) in config.needs().items() if product == "generator"]
        return own or (generator_of(inputs[named[0]], earlier)[1] if named else None)
    model, trained_on = generator_of(inputs["generator"], earlier)
    if own:
        require_images(model, own.size, own.channels)
    config.require_usable(model)
    return own or trained_on


def _fingerprint(config: JobConfig, inputs: dict[str, Input], data: DataConfig | None) -> str:
    """What decides a run's result: the config without execution choices, its inputs', its images'."""
    settings = config.model_dump(mode="json", exclude={"resources", *IMAGES})
    settings = _without(settings, set(config.needs()))
    identity: dict[str, Any] = {
        "config": settings,
        "inputs": {key: each.fingerprint for key, each in inputs.items()},
        "data": dataset_key(data) if data else None,
    }
    if test := getattr(config, "test", None):
        identity["test"] = dataset_key(test)
    return digest(canonical_json(identity).encode())


def _without(value: Any, gone: set[str], here: str = "") -> Any:
    """Settings without what these dotted keys name; what held nothing else goes with it, and is _GONE."""
    if here in gone:
        return _GONE
    before = f"{here}." if here else ""
    if isinstance(value, dict):
        parts = {key: _without(each, gone, f"{before}{key}") for key, each in value.items()}
        kept = {key: each for key, each in parts.items() if each is not _GONE}
    elif isinstance(value, list):
        parts = [_without(each, gone, f"{before}{i}") for i, each in enumerate(value)]
        kept = [each for each in parts if each is not _GONE]
    else:
        return value
    return _GONE if parts and not kept else kept


def _run_folder(runs: Folder, kind: str, fingerprint: str, fresh: bool) -> RunFolder:
    """`<job>-<fingerprint>`, or the last of its repetitions `...-r2`, `...-r3`."""
    base, number = f"{kind}-{fingerprint[:10]}", 1
    names = set(runs.names())
    while f"{base}-r{number + 1}" in names:
        number += 1
    if fresh and base in names:
        number += 1
    return RunFolder(runs / (base if number == 1 else f"{base}-r{number}"))


def _state(run: RunFolder, config: JobConfig) -> State:
    if finished(run, config.GIVES):
        return "finished"
    return "begun" if run.folder.exists("run.json") else "new"


def image_count(config: DataConfig | None, datasets: Folder) -> int | None:
    """How many images a config means, as far as that can be told without a download or decoding any."""
    if not config:
        return None
    folder = datasets / dataset_name(config)
    try:
        return Dataset.open(folder).count if folder.exists("manifest.json") else known_count(config)
    except DataError:  # damaged: what is missing is made again when it is needed
        return known_count(config)
