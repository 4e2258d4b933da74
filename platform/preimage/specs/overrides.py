"""Overrides: dotted keys and their values, from a profile, the command line or Python."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from preimage.errors import SpecError
from preimage.runs.spec_params import SECTIONS
from preimage.specs.keys import type_at
from preimage.specs.objects import plain
from preimage.specs.override_text import Path, parse_override, put, value_of
from preimage.storage.credentials import refusals

Place = Callable[[dict[str, Any], str], Path]
"""The path in a spec that a dotted key means."""
Changes = Sequence[str] | Mapping[str, Any]
"""Overrides: texts such as `training.total_images=1000`, or values by dotted key."""


def changed(
    spec: dict[str, Any], changes: Changes, place: Place | None = None
) -> tuple[dict[str, Any], list[Path]]:
    """The spec with overrides, and the path of each. The values of a mapping are taken as they are."""
    paths: list[Path] = []
    for key, given in pairs(changes):
        paths.append((place or path_of)(spec, key))
        of_text = not isinstance(changes, Mapping)
        value = value_of(type_at(spec, paths[-1]), key, given) if of_text else given
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
