"""Models of a whole spec file: the keys around a job, a pipeline of jobs, a study of trials, and the JSON
Schema of all three."""

import logging
from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, create_model

from preimage.config import Config, PositiveInt, Resources
from preimage.data.config import DataConfig
from preimage.errors import PluginError
from preimage.jobs.base import Job
from preimage.jobs.registry import JOBS
from preimage.named_code import modules_of
from preimage.specs.search import Direction, SamplerConfig, SchedulerConfig, Space
from preimage.storage.address import DEFAULT
from preimage.tracking.config import TrackingConfig

log = logging.getLogger(__name__)


SEEDS_SCHEMA = {
    "title": "Seeds",
    "description": "Run the step once for each of these seeds, as <step>-<seed>; 3 means 1, 2 and 3. In a "
    "list its name stands for all its runs; elsewhere, in a step with the same seeds, for the same seed's.",
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 1000},
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
    ],
}
"""A key of a pipeline's steps."""


class SpecKeys(Config):
    """The keys of a whole spec file beside those of its job."""

    name: str | None = None
    """The run's name in MLflow; by default the spec's file name."""
    results: str | None = None
    """Where all results go: a folder, or any URI that pyarrow opens, such as s3://bucket/folder. By default
    what the variable PREIMAGE_RESULTS names, or results/. --results overrides both."""
    tracking: TrackingConfig = TrackingConfig()
    code: Annotated[tuple[str, ...], BeforeValidator(modules_of, str | tuple[str, ...])] = ()
    """A Python module, such as mypkg.nets, or several, whose code may build imported generators. It is not
    stored with a run: each command or spec names it again, or --code does."""
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Named sets of overrides, selected with --profile: dotted keys and their values."""


class Pipeline(SpecKeys):
    """An ordered set of named jobs. A job names an earlier one to use its generator or its codes."""

    seed: int = Field(0, ge=0, lt=2**31)
    """For every step that sets no seed."""
    resources: Resources = Resources()
    """For every step; a step's own settings override these."""
    data: DataConfig | None = None
    """The images of every step that requires some, such as a training run, and of a step whose generator does
    not know its own. A step's own `data` replaces them; without a `source` it changes single keys."""
    store: str | None = None
    """The latent store of every step that requires one and names none: a run's name or a folder."""
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings for every step of a job, by job; a step's own settings override these, key by key."""
    steps: dict[str, Any]
    repeat: dict[str, Any] = Field(default_factory=dict)
    """Steps that run `rounds` times after `steps`. A step's name means its latest version: in round 2,
    `train` is the result of round 1, `train-1`."""
    rounds: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many times `repeat` runs."""
    repeat_while_improving: str | None = None
    """STEP.METRIC, such as `pag.pag`: stop after the first round that does not lower it."""
    finally_: dict[str, Any] = Field(default_factory=dict, alias="finally")
    """Steps after the last round. In a list, a step's name means all its versions, from first to last."""


class Study(SpecKeys):
    """Many trials of one job or pipeline; a sampler chooses the values that differ between them."""

    trial: dict[str, Any]
    """A job, or a pipeline of jobs, without the keys around it."""
    space: dict[str, Space] = Field(min_length=1)
    """The keys to vary, dotted as in overrides, and their values."""
    objectives: dict[str, Direction] = Field(min_length=1)
    """STEP.METRIC of a pipeline's outcome, or METRIC of a single job's, and whether to minimize or maximize
    it. The first objective ranks the trials."""
    correlate: dict[str, Direction] = Field(default_factory=dict)
    """Further metrics, and which value is best: the report ranks the trials by them too, and correlates them
    with the objectives. No sampler sees them. A finished study that is run with others reports again."""
    show: tuple[str, ...] = ()
    """Metrics that the report's table shows beside, such as a number of codes."""
    sampler: SamplerConfig = SamplerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    trials: PositiveInt | None = None
    """The total number of trials. A grid runs one trial per point and needs no number."""
    parallel: PositiveInt = 1
    """The maximum number of trials at once. A sampler or scheduler that learns from results sees, for each
    trial, those of all earlier trials but the last `parallel` - 1: more is faster, but learns later."""


def around(results: str, tracking: TrackingConfig) -> dict[str, Any]:
    """The keys of a stored spec beside those of its jobs. The default root is left out: another that
    PREIMAGE_RESULTS names later may replace it."""
    named = {} if results == DEFAULT else {"results": results}
    return named | {"tracking": tracking.model_dump(mode="json", exclude_none=True)}


@cache
def job_spec(kind: str) -> type[BaseModel]:
    """The model of a whole spec file with one job of this kind. Raises PluginError."""
    job = JOBS[kind]
    if both := sorted(job.model_fields.keys() & SpecKeys.model_fields.keys()):
        raise PluginError(f"the job {kind!r} has keys that every spec has, {', '.join(both)}: rename its own")
    return create_model(
        job.__name__.removesuffix("Job") + "Spec", __base__=(job, SpecKeys), __doc__=job.__doc__
    )


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of every spec: one job, a pipeline of them, or a study of either, with the installed
    plugins. One that cannot be used is left out, with a warning. Not to be changed."""
    kinds = _working_jobs()
    step: Any = Annotated[_any_of(kinds.values()), Field(discriminator="job")]
    steps: Any = (dict[str, step], ...)
    later: Any = (dict[str, step], Field(default_factory=dict))
    final: Any = (dict[str, step], Field(default_factory=dict, alias="finally"))
    pipeline = create_model(
        "PipelineSpec", __base__=Pipeline, __doc__=Pipeline.__doc__, steps=steps, repeat=later, finally_=final
    )
    jobs = [_with_job_required(job, kind, "Trial") for kind, job in kinds.items()]
    trial: Any = (_any_of([*jobs, _without_spec_keys(pipeline)]), ...)
    study = create_model("StudySpec", __base__=Study, __doc__=Study.__doc__, trial=trial)
    specs = [_with_job_required(job_spec(kind), kind) for kind in kinds]
    spec: Any = (_any_of([*specs, pipeline, study]), ...)
    made = create_model("Spec", spec=spec).model_json_schema()
    choices = made["properties"]["spec"]["anyOf"]
    for job in kinds.values():  # a step may inherit its images and its store from the pipeline
        step = made["$defs"][job.__name__]
        step["required"] = [key for key in step.get("required", []) if key not in ("data", "store")]
        step["properties"]["seeds"] = SEEDS_SCHEMA
        _allow_single_keys(step["properties"].get("data", {}))
    made["$defs"]["DataKeys"] = made["$defs"]["DataConfig"] | {"required": [], "title": "DataKeys"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Preimage spec",
        "oneOf": choices,
        "$defs": made["$defs"],
    }


def _working_jobs() -> dict[str, type[Job]]:
    kinds: dict[str, type[Job]] = {}
    for kind in JOBS:
        try:
            job_spec(kind)
            kinds[kind] = JOBS[kind]
        except PluginError as error:
            log.warning("%s", error)
    return kinds


def _allow_single_keys(data: dict[str, Any]) -> None:
    """A step's `data` may change single keys of the images that it would use otherwise."""
    for each in (data, *data.get("anyOf", [])):
        if each.get("$ref") == "#/$defs/DataConfig":
            each["$ref"] = "#/$defs/DataKeys"


def _with_job_required(model: type[BaseModel], kind: str, what: str = "") -> type[BaseModel]:
    job: Any = (Literal[kind], ...)  # pyright: ignore[reportInvalidTypeForm]
    name = model.__name__.removesuffix("Job") + what if what else model.__name__
    return create_model(name, __base__=model, __doc__=model.__doc__, job=job)


def _without_spec_keys(pipeline: type[BaseModel]) -> type[BaseModel]:
    """A pipeline as the body of a trial."""
    own = {
        name: (field.annotation, field)
        for name, field in pipeline.model_fields.items()
        if name not in SpecKeys.model_fields
    }
    made: Any = own
    return create_model("TrialPipeline", __base__=Config, __doc__=pipeline.__doc__, **made)


def _any_of(types: Iterable[type]) -> Any:
    return reduce(or_, types)
