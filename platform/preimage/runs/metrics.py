"""The names of metrics, the same in outcome.json, in the tracker and in a study."""

import re
from collections.abc import Mapping
from typing import Any


def plain_name(name: str) -> str:
    """A name without the signs that MLflow refuses in a metric's and a parameter's, such as parentheses."""
    return " ".join(re.sub(r"[^\w.\-:/ ]", "", name).split())


def plain_names(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Nested metrics with plain names, also in lists of names: as an outcome holds them. Of two names that
    become the same, the second ends in 2."""
    found: dict[str, Any] = {}
    for name, each in metrics.items():
        plain, number = plain_name(str(name)), 2
        while plain in found:
            plain, number = f"{plain_name(str(name))} {number}", number + 1
        found[plain] = _plain(each)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain_names(value)
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return [plain_name(each) for each in value]
    return value


def flatten(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values by dotted keys."""
    flat: dict[str, Any] = {}
    for key, each in value.items():
        name = f"{before}{key}"
        flat |= flatten(each, f"{name}.") if isinstance(each, Mapping) else {name: each}
    return flat


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among metrics, by dotted plain names: what trackers and studies know of an outcome."""
    flat = flatten(metrics)
    kept = {name: each for name, each in flat.items() if isinstance(each, int | float)}
    return {plain_name(name): float(each) for name, each in kept.items() if not isinstance(each, bool)}
