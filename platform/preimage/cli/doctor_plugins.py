"""What the installed plugins bring, and what of it cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from preimage.config import unknown
from preimage.data.config import SOURCES
from preimage.errors import PluginError
from preimage.jobs.registry import JOBS
from preimage.plugins import GROUPS, Registry, installed

_REGISTRIES: dict[str, Registry[Any]] = {"jobs": JOBS, "sources": SOURCES}


@dataclass
class Brought:
    """What one distribution brings."""

    plugin: str
    """Its name and version."""
    things: list[str] = field(default_factory=list)
    """Such as `source discs`."""
    problems: list[str] = field(default_factory=list)


def plugins() -> Iterator[Brought]:
    """Every installed distribution with entry points for Preimage, by name. Imports what they name."""
    found: dict[str, Brought] = {}
    for group, entries in installed().items():
        for name, claims in entries.items():
            for each in claims:
                assert each.dist
                plugin = f"{each.dist.name} {each.dist.version}"
                brought = found.setdefault(plugin, Brought(plugin))
                brought.things.append(f"{group.removesuffix('s') or 'nothing'} {name}")
                if problem := _problem(group, name, each.group):
                    brought.problems.append(problem)
    for plugin in sorted(found):
        yield found[plugin]


def _problem(group: str, name: str, written: str) -> str | None:
    if group not in GROUPS:
        near = unknown(written, [f"preimage.{each}" for each in GROUPS], "group of entry points")
        return f"{name!r} is in the group {written}, but there is {near}"
    try:
        if registry := _REGISTRIES.get(group):
            registry[name]
    except PluginError as error:
        return str(error)
    return None
