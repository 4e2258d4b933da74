"""Overrides: dotted keys and YAML values, from a profile or the command line."""

from copy import deepcopy
from typing import Any

from preimage.errors import SpecError
from preimage.specs.yaml_lines import parse_value
from preimage.storage.credentials import refusal

SECTIONS = ("steps", "repeat", "finally")
"""Keys of a pipeline that hold steps, in the order they run."""


def parse_override(text: str) -> tuple[str, Any]:
    """`training.total_images=1000` as a dotted key and a typed value. Raises SpecError for any other form."""
    key, equals, value = text.partition("=")
    if problem := refusal(text):
        raise SpecError(f"{'an override' if '://' in key else key.strip()}: {problem}")
    if not equals or not key.strip():
        raise SpecError(f"{text!r} is not an override; write key=value, such as training.total_images=1000")
    try:
        return key.strip(), parse_value(value, key)
    except SpecError as error:
        raise SpecError(f"the value of {text!r} is not YAML; put it in quotes") from error


def apply(spec: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The spec with dotted keys set; a key may omit the `steps.` before a step's name."""
    result = deepcopy(spec)
    for key, value in overrides.items():
        _set(result, list(path_of(result, key)), value)
    return result


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both mappings in one, key by key; where they differ, `above` wins."""
    merged = deepcopy(below)
    for key, value in above.items():
        current = merged.get(key)
        both = isinstance(current, dict) and isinstance(value, dict)
        merged[key] = merge(current, value) if both else value  # pyright: ignore[reportArgumentType]
    return merged


def path_of(spec: dict[str, Any], key: str) -> tuple[str, ...]:
    """The path in the spec that an override's dotted key means."""
    parts = tuple(key.split("."))
    for section in SECTIONS:
        steps = spec.get(section)
        if isinstance(steps, dict) and parts[0] in steps:
            return (section, *parts)
    return parts


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
