"""What type of value each key of a spec takes."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from preimage.jobs.references import Reference
from preimage.jobs.registry import JOBS
from preimage.specs.models import SECTIONS, Pipeline, Study, job_spec

Path = tuple[str | int, ...]


def takes_text(spec: Mapping[str, Any], path: Path) -> bool:
    """Whether the value at a path of a spec, given as plain values, is text whatever it looks like."""
    return _is_text(type_at(spec, path))


def may_be_null(spec: Mapping[str, Any], path: Path) -> bool:
    """Whether the value at a path may be null."""
    return NoneType in get_args(type_at(spec, path))


def type_at(spec: Mapping[str, Any], path: Path) -> Any:
    """The annotation of the value at a path; None if no model has such a key."""
    if "space" in spec:
        body = spec.get("trial")
        if path[:1] == ("trial",) and len(path) > 1 and isinstance(body, dict):
            return type_at(body, path[1:])
        return _inside(Study, path)
    if path and path[0] in SECTIONS and isinstance(spec.get(str(path[0])), dict) and len(path) > 2:
        step = spec[str(path[0])].get(path[1])
        return _of_job(step.get("job") if isinstance(step, dict) else None, path[2:])
    if path[:1] == ("defaults",) and len(path) > 2:
        return _of_job(path[1], path[2:])
    kind = spec.get("job")
    if isinstance(kind, str) and kind in JOBS:
        return _inside(job_spec(kind), path)
    return _inside(Pipeline, path)


def _of_job(kind: Any, path: Path) -> Any:
    return _inside(JOBS[kind], path) if isinstance(kind, str) and kind in JOBS else None


def _inside(model: type[BaseModel], path: Path) -> Any:
    """The annotation at a path of a model, through its models, mappings and lists."""
    found: Any = model
    for part in path:
        found = _part(found, part)
    return found


def _part(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        named = (field for name, field in fields.items() if part in (name, field.alias))
        return next((field.annotation for field in named), None)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType, Annotated):
        return next((found for each in inner if (found := _part(each, part)) is not None), None)
    if origin is dict:
        return inner[1]
    return inner[0] if origin in (tuple, list) and inner else None


def _is_text(annotation: Any) -> bool:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_text(inner[0])
    if origin in (Union, UnionType):
        return all(each is NoneType or _is_text(each) for each in inner)
    if origin is Literal:
        return all(isinstance(each, str) for each in inner)
    return annotation is str or (isinstance(annotation, type) and issubclass(annotation, Reference))
