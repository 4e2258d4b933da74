"""What a whole spec file may say: the keys around a job, a pipeline of jobs, and the JSON Schema of both."""

from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from preimage.config import Config, Resources
from preimage.data.config import DataConfig
from preimage.recipes.jobs import JOBS
from preimage.tracking.config import TrackingConfig


class SpecKeys(Config):
    """The keys of a whole spec file beside those of its job."""

    name: str | None = None
    """What the run is called in MLflow; the spec's file name otherwise."""
    results: str = "results"
    """Where everything goes: a folder, or any URI that pyarrow opens, such as s3://bucket/folder."""
    tracking: TrackingConfig = TrackingConfig()
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Named sets of overrides, chosen with --profile: dotted keys and their values."""


class Pipeline(SpecKeys):
    """An ordered set of named jobs; one names an earlier one where it needs its generator or its codes."""

    seed: int = Field(0, ge=0, lt=2**31)
    """For every step without its own."""
    resources: Resources = Resources()
    """For every step; a step's own settings come before these."""
    data: DataConfig | None = None
    """The images of every step that has to be given some, a training for one. A step's own come first; those
    that name no source change these."""
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By job, settings of every step that does it; a step's own come before these, key by key."""
    steps: dict[str, Any]


@cache
def job_spec(kind: str) -> type[BaseModel]:
    """The model of a whole spec file that is one job of this kind."""
    config = JOBS[kind].config
    return create_model(
        config.__name__.replace("Config", "Spec"), __base__=(config, SpecKeys), __doc__=config.__doc__
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of every spec: one job, or a pipeline of them."""
    step: Any = Annotated[_any_of(job.config for job in JOBS.values()), Field(discriminator="job")]
    steps: Any = (dict[str, step], ...)
    pipeline = create_model("PipelineSpec", __base__=Pipeline, __doc__=Pipeline.__doc__, steps=steps)
    spec: Any = (_any_of([*(_with_job_required(job_spec(kind), kind) for kind in JOBS), pipeline]), ...)
    made = create_model("Spec", spec=spec).model_json_schema()
    choices = made["properties"]["spec"]["anyOf"]
    for job in JOBS.values():  # a step may have its images from the pipeline
        step = made["$defs"][job.config.__name__]
        step["required"] = [key for key in step.get("required", []) if key != "data"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Preimage spec",
        "oneOf": choices,
        "$defs": made["$defs"],
    }


def _with_job_required(model: type[BaseModel], kind: str) -> type[BaseModel]:
    job: Any = (Literal[kind], ...)  # pyright: ignore[reportInvalidTypeForm]
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, job=job)


def _any_of(types: Iterable[type]) -> Any:
    return reduce(or_, types)
