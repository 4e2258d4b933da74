"""What the installed plugins bring, and what of it cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any

from preimage.config import unknown
from preimage.data.config import SOURCES
from preimage.errors import PluginError
from preimage.inversion.losses import LOSSES
from preimage.inversion.operators import OPERATORS
from preimage.inversion.solvers import SOLVERS
from preimage.jobs.registry import JOBS
from preimage.latents.prior_kinds import PRIOR_KINDS
from preimage.plugins import Registry, bringing, installed

_ALL: tuple[Registry[Any], ...] = (JOBS, SOURCES, SOLVERS, LOSSES, OPERATORS, PRIOR_KINDS)
_REGISTRIES = {each.group: each for each in _ALL}


@dataclass
class Brought:
    """What one distribution brings."""

    plugin: str
    """Its name and version."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """By group, such as `sources`."""
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        groups = (f"{group} {', '.join(names)}" for group, names in self.names.items())
        return f"{self.plugin}: {'; '.join(groups) or 'nothing that can be used'}"


def brought() -> Iterator[Brought]:
    """Of every installed distribution with entry points for Preimage, by name. Imports what they name."""
    found: dict[str, Brought] = {}
    for group, entries in sorted(installed().items()):
        for name, claims in sorted(entries.items()):
            for each in claims:
                plugin = str(bringing(each))
                of_plugin = found.setdefault(plugin, Brought(plugin))
                if problem := _problem(group, name, each):
                    of_plugin.problems.append(problem)
                else:
                    of_plugin.names.setdefault(group, []).append(name)
    for plugin in sorted(found):
        yield found[plugin]


def _problem(group: str, name: str, entry: EntryPoint) -> str | None:
    if group not in _REGISTRIES:
        near = unknown(entry.group, [f"preimage.{each}" for each in _REGISTRIES], "group")
        return f"{name!r} is in the group {entry.group} of its entry points, but there is {near}"
    if name in _REGISTRIES[group].built_in:
        return _REGISTRIES[group].taken(name, bringing(entry))
    try:
        _ = _REGISTRIES[group][name]
    except PluginError as error:
        return str(error)
    return None
