"""An override as it is written: its key, its value by the type that the key takes, and where it belongs.

Imports no job, so that a command that needs none starts at once.
"""

import re
from copy import deepcopy
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from preimage.errors import SpecError
from preimage.jobs.references import Reference
from preimage.specs.yaml_lines import parse_value
from preimage.storage.credentials import refusal

Path = tuple[str | int, ...]


def parse_override(text: str) -> tuple[str, str]:
    """The key and the value of `training.total_images=1000`. Raises SpecError for any other form."""
    key, equals, value = text.partition("=")
    if problem := refusal(text):
        raise SpecError(f"{'an override' if '://' in key else key.strip()}: {problem}")
    if not equals or not key.strip():
        raise SpecError(f"{text!r} is not an override; write key=value, such as training.total_images=1000")
    return key.strip(), value


def value_of(annotation: Any, key: str, text: str) -> Any:
    """The value that an override gives a key: text as it is where the key takes text, otherwise YAML.

    annotation: of the value. `null` unsets a text that may be missing. Raises SpecError for other text
    that is not YAML.
    """
    if not text.strip():
        unset = f": write {key}=null to unset it" if may_be_null(annotation) else ""
        raise SpecError(f"{key}= has no value{unset}")
    if is_text(annotation):
        return None if text == "null" and may_be_null(annotation) else text
    try:
        return parse_value(text, key)
    except SpecError as error:
        problem = re.sub(rf"^{re.escape(key)}(, line 1)?: ", "", str(error))
        raise SpecError(f"the override {key}={text}: {problem}") from error


def may_be_null(annotation: Any) -> bool:
    """Whether a value of this type may be null."""
    return NoneType in get_args(annotation)


def is_text(annotation: Any) -> bool:
    """Whether a value of this type is text whatever it looks like."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return is_text(inner[0])
    if origin in (Union, UnionType):
        return all(each is NoneType or is_text(each) for each in inner)
    if origin is Literal:
        return all(isinstance(each, str) for each in inner)
    return annotation is str or (isinstance(annotation, type) and issubclass(annotation, Reference))


def type_in(model: type[BaseModel], path: Path) -> Any:
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


def put(spec: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The spec with a value at a path."""
    result = deepcopy(spec)
    _set(result, [str(part) for part in path], value)
    return result


def _set(mapping: Any, parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        key, current = _entry(mapping, part)
        if not isinstance(current, dict | list):
            current = mapping[key] = {}
        mapping = current
    mapping[_entry(mapping, parts[-1])[0]] = value


def _entry(mapping: Any, part: str) -> tuple[Any, Any]:
    """A mapping's key or a list's index, and the value at it. Raises SpecError for any other index."""
    if isinstance(mapping, dict):
        return part, mapping.get(part)
    if part in map(str, range(len(mapping))):
        return int(part), mapping[int(part)]
    raise SpecError(f"{part!r} is not an index of a list of {len(mapping)}: count from 0")
