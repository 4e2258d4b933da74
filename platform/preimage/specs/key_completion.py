"""What an override that is being typed can become: keys of a spec, and the values that a key admits."""

from collections.abc import Iterator, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from preimage.jobs.references import Reference
from preimage.jobs.registry import JOBS
from preimage.plugins import Registry
from preimage.specs.header import first_sentence
from preimage.specs.models import SECTIONS, Pipeline, SpecKeys, Study

Candidate = tuple[str, str]
"""What may be typed, and what it is for."""
Part = FieldInfo | type[BaseModel] | Mapping[str, Any]
"""What is at a key: a field of a model, a model, or a mapping of names to such parts or to nothing known."""


def candidates(spec: Mapping[str, Any], typed: str) -> Iterator[Candidate]:
    """What `training.ba` or `model.prior=n` may become, one level of keys at a time: `training.batch_size=`.

    A key that holds others ends in a dot, one that takes a value in an equals sign.
    """
    key, equals, value = typed.partition("=")
    above, dot, last = key.rpartition(".")
    if equals:
        found = _at(spec, key)
        options = _values(found) if isinstance(found, FieldInfo) else []
        yield from ((f"{key}={each}", "") for each in options if each.startswith(value))
        return
    for name, part in _inner(_at(spec, above) if above else _whole(spec)).items():
        if name.startswith(last):
            yield from ((f"{above}{dot}{name}{end}", _about(part)) for end in _ends(part))


def reference_at(spec: Mapping[str, Any], key: str) -> type[Reference] | None:
    """What kind of product a key refers to, if it does."""
    found = _at(spec, key)
    leaves = _leaves(found.annotation) if isinstance(found, FieldInfo) else ()
    return next((each for each in leaves if isinstance(each, type) and issubclass(each, Reference)), None)


def _whole(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """All keys of a spec, those that most specs lack last."""
    around = _fields(SpecKeys, "profiles")
    if "space" in spec:
        body = spec.get("trial")
        trial = _body(body) if isinstance(body, Mapping) else {}
        return {"trial": trial, **_fields(Study, "trial", *SpecKeys.model_fields), **around}
    return {**_body(spec), **around}


def _body(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of a job; or of a pipeline, the names of its steps first, which may be written alone."""
    if "job" in spec:
        return _of_job(spec["job"])
    sections = {each: _steps(spec.get(each)) for each in SECTIONS}
    steps = {name: part for found in sections.values() for name, part in found.items()}
    own = _fields(Pipeline, *SECTIONS, "defaults", *SpecKeys.model_fields)
    return {**steps, **own, "defaults": {kind: _of_job(kind) for kind in _kinds(spec)}}


def _steps(section: Any) -> dict[str, Any]:
    steps = section.items() if isinstance(section, Mapping) else ()
    return {str(name): _of_job(step.get("job")) for name, step in steps if isinstance(step, Mapping)}


def _kinds(spec: Mapping[str, Any]) -> list[str]:
    """The kinds of job of a pipeline's steps."""
    steps = (step for each in SECTIONS for step in (spec.get(each) or {}).values())
    return list(dict.fromkeys(step["job"] for step in steps if JOBS.get(step.get("job"))))


def _of_job(kind: Any) -> Mapping[str, Any]:
    job = JOBS.get(kind)
    return _fields(job, "job") if job else {}


def _fields(model: type[BaseModel], *but: str) -> dict[str, Any]:
    """The fields of a model under the names that specs have for them."""
    found = model.model_fields.items()
    return {field.alias or name: field for name, field in found if (field.alias or name) not in but}


def _at(spec: Mapping[str, Any], key: str) -> Any:
    part: Any = _whole(spec)
    for name in key.split("."):
        part = _inner(part).get(name)
    return part


def _inner(part: Any) -> Mapping[str, Any]:
    """What is below a part, by name."""
    if isinstance(part, Mapping):
        return part
    models = _leaves(part.annotation) if isinstance(part, FieldInfo) else ()
    return {
        name: field
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in _fields(model).items()
    }


def _ends(part: Any) -> list[str]:
    """How a key goes on: into the keys below it, or to its value; either for one that may be absent."""
    if not _inner(part):
        return ["="]
    return [".", "="] if isinstance(part, FieldInfo) and NoneType in _leaves(part.annotation) else ["."]


def _about(part: Any) -> str:
    return first_sentence(" ".join((part.description or "").split())) if isinstance(part, FieldInfo) else ""


def _values(field: FieldInfo) -> list[str]:
    """The values that a key admits, if it admits only some."""
    found: list[str] = []
    for each in (*field.metadata, *_leaves(field.annotation)):
        if isinstance(each, Registry):
            found += list(each)
        elif each is bool:
            found += ["true", "false"]
        elif each is NoneType:
            found.append("null")
        elif isinstance(each, type) and issubclass(each, Enum):
            found += [str(option.value) for option in each]
        elif get_origin(each) is Literal:
            found += [str(option) for option in get_args(each)]
    return [each for each in found if each != "null"] + (["null"] if "null" in found else [])


def _leaves(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation joins, and what annotates them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return (*_leaves(inner[0]), *inner[1:])
    if origin in (Union, UnionType):
        return tuple(leaf for each in inner for leaf in _leaves(each))
    return (annotation,)
