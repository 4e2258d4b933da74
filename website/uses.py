"""The shipped specs, and which kinds of job each has."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from website.outside import ROOT


@cache
def shipped_specs() -> tuple[Path, ...]:
    return tuple(sorted([*ROOT.glob("jobs/*.yaml"), *ROOT.glob("tuning/*.yaml")]))


@cache
def jobs_of(path: Path) -> list[str]:
    """The kinds of its jobs, in the order of its steps."""
    return list(dict.fromkeys(_named(yaml.safe_load(path.read_text()))))


def _named(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for each in value for name in _named(each)]
    if not isinstance(value, dict):
        return []
    own = [value["job"]] if isinstance(value.get("job"), str) else []
    return own + [name for each in value.values() for name in _named(each)]
