"""Overrides: dotted keys and their values, from a profile, the command line or Python."""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from preimage.errors import SpecError
from preimage.specs.keys import Path, may_be_null, takes_text
from preimage.specs.models import SECTIONS
from preimage.specs.objects import plain
from preimage.specs.yaml_lines import parse_value
from preimage.storage.credentials import refusal, refusals

Place = Callable[[dict[str, Any], str], Path]
"""The path in a spec that a dotted key means."""
Changes = Sequence[str] | Mapping[str, Any]
"""Overrides: texts such as `training.total_images=1000`, or values by dotted key."""


def parse_override(text: str) -> tuple[str, str]:
    """The key and the value of `training.total_images=1000`. Raises SpecError for any other form."""
    key, equals, value = text.partition("=")
    if problem := refusal(text):
        raise SpecError(f"{'an override' if '://' in key else key.strip()}: {problem}")
    if not equals or not key.strip():
        raise SpecError(f"{text!r} is not an override; write key=value, such as training.total_images=1000")
    return key.strip(), value


def value_of(spec: Mapping[str, Any], path: Path, key: str, text: str) -> Any:
    """The value that an override gives a key: text as it is where the key takes text, otherwise YAML.

    `null` unsets a text that may be missing. Raises SpecError if the value is not YAML.
    """
    if not text.strip():
        unset = f": write {key}=null to unset it" if may_be_null(spec, path) else ""
        raise SpecError(f"{key}= has no value{unset}")
    if takes_text(spec, path):
        return None if text == "null" and may_be_null(spec, path) else text
    try:
        return parse_value(text, key)
    except SpecError as error:
        problem = re.sub(rf"^{re.escape(key)}(, line 1)?: ", "", str(error))
        raise SpecError(f"the override {key}={text}: {problem}") from error


def changed(
    spec: dict[str, Any], changes: Changes, place: Place | None = None
) -> tuple[dict[str, Any], list[Path]]:
    """The spec with overrides, and the path of each. The values of a mapping are taken as they are."""
    paths: list[Path] = []
    for key, given in pairs(changes):
        paths.append((place or path_of)(spec, key))
        value = value_of(spec, paths[-1], key, given) if not isinstance(changes, Mapping) else given
        spec = put(spec, paths[-1], value)
    return spec, paths


def pairs(changes: Changes) -> list[tuple[str, Any]]:
    """The key and the value of each override: text from a text, plain values from a mapping.

    Raises SpecError for a text of another form, a value that no spec holds, and an address with a password.
    """
    if not isinstance(changes, Mapping):
        return [parse_override(text) for text in ([changes] if isinstance(changes, str) else changes)]
    if wrong := [key for key in changes if not isinstance(key, str) or not key.strip()]:
        raise SpecError(
            f"the key of an override is a text such as 'train.model.latent_dim', not {wrong[0]!r}"
        )
    given = {key: plain(value, key) for key, value in changes.items()}
    if found := refusals(given):
        raise SpecError("; ".join(f"{place[0]}: {problem}" for place, problem in found))
    return list(given.items())


def put(spec: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The spec with a value at a path."""
    result = deepcopy(spec)
    _set(result, [str(part) for part in path], value)
    return result


def apply(spec: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The spec with dotted keys set; a key may omit the `steps.` before a step's name."""
    for key, value in overrides.items():
        spec = put(spec, path_of(spec, key), value)
    return spec


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both mappings in one, key by key; where they differ, `above` wins."""
    merged = deepcopy(below)
    for key, value in above.items():
        current = merged.get(key)
        both = isinstance(current, dict) and isinstance(value, dict)
        merged[key] = merge(current, value) if both else value  # pyright: ignore[reportArgumentType]
    return merged


def path_of(spec: dict[str, Any], key: str) -> Path:
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
