"""Registries: what specs can name, built in or added by installed distributions through entry points.

A spec names a thing, never code to import: what is installed is what can run. Names are known without an
import; a thing is imported when it is first asked for.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, distributions, version
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from preimage.config import unknown
from preimage.errors import PluginError

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
NOT_USABLE = "not_usable"
"""The type of pydantic's error for a name that no registry knows, or whose thing cannot be used."""


class Plugin(NamedTuple):
    """The distribution that brings a thing."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class PluginName(str):
    """The name of a plugin's thing in a config: a text that knows where the thing comes from."""

    plugin: Plugin

    @classmethod
    def of(cls, name: str, plugin: Plugin) -> "PluginName":
        made = cls(name)
        made.plugin = plugin
        return made


class Registry(Generic[Thing]):
    """Things of one kind by their names. As the annotation of a config's text, `Annotated[str, SOLVERS]`, it
    admits names of things that can be used, which imports them."""

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str], check: Callable[[str, Any], Thing]
    ) -> None:
        """kind: its name in messages, such as `solver`. group: `solvers` for the entry points of
        `preimage.solvers`. built_in: where things are, as `module:object`, by name. check: (name, imported
        object) to the thing; raises TypeError or ValueError, with what is wrong, for an object that is none.
        """
        self.kind, self.group, self.built_in, self._check = kind, group, built_in, check

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in self._entries

    def __iter__(self) -> Iterator[str]:
        """All names: the built-in ones in their own order, then those of plugins."""
        yield from self.built_in
        yield from sorted(self._entries.keys() - self.built_in.keys())

    def __getitem__(self, name: str) -> Thing:
        """Raises PluginError for an unknown name, as on a worker without the plugin, and for a plugin's thing
        that cannot be used."""
        return _loaded(self, name)

    def get(self, name: object) -> Thing | None:
        """None for an unknown name, and for a plugin's thing that cannot be used."""
        try:
            return self[name] if isinstance(name, str) and name in self else None
        except PluginError:
            return None

    def plugin(self, name: str) -> Plugin | None:
        """What brings a thing; None for a built-in one, whose name no plugin can take. Raises PluginError if
        two distributions claim the name."""
        found = [] if name in self.built_in else [bringing(each) for each in self._entries.get(name, ())]
        if len(found) > 1:
            raise PluginError(
                f"the {self.kind} {name!r} is claimed by {' and '.join(map(str, found))}: uninstall "
                f"{' or '.join(each.distribution for each in found)}"
            )
        return found[0] if found else None

    def working(self) -> tuple[dict[str, Thing], dict[str, PluginError]]:
        """All things that can be used, and why the others cannot."""
        working, broken = {}, {}
        for name in self:
            try:
                working[name] = self[name]
            except PluginError as error:
                broken[name] = error
        return working, broken

    def require(self, name: str) -> str:
        """The name, as a PluginName if a plugin brings it. Raises ValueError, with the nearest name, for an
        unknown one, PluginError as `plugin` does."""
        if name not in self:
            raise ValueError(self.unknown(name))
        plugin = self.plugin(name)
        return PluginName.of(name, plugin) if plugin else name

    def unknown(self, name: object) -> str:
        """The message for a name that is none."""
        problem = unknown(str(name), list(self), self.kind)
        return problem if problem.endswith("?") else f"{problem}, or install the plugin that brings it"

    def taken(self, name: str, plugin: Plugin) -> str:
        """The message for a plugin's thing that has the name of a built-in one."""
        return f"the {self.kind} {name!r} is Preimage's own; that of {plugin} is not used: it must be renamed"

    @property
    def _entries(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        return installed().get(self.group, {})

    def load(self, name: str) -> Thing:
        """As `[name]`, but without remembering it."""
        if name not in self:
            raise PluginError(f"{name!r}: {self.unknown(name)}")
        plugin = self.plugin(name)
        if not plugin:
            for entry in self._entries.get(name, ()):
                log.warning("%s", self.taken(name, bringing(entry)))
            module, _, attribute = self.built_in[name].partition(":")
            return self._check(name, getattr(import_module(module), attribute))
        (entry,) = self._entries[name]
        try:
            found = entry.load()
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything
            said = (str(error).splitlines() or [""])[0]
            absent = error.name if isinstance(error, ModuleNotFoundError) else None
            remedy = f"install {absent}" if absent else f"mend {entry.value}"
            raise PluginError(
                f"the {self.kind} {name!r} of {plugin} cannot be imported ({type(error).__name__}: {said}): "
                f"{remedy}, or uninstall {plugin.distribution}"
            ) from error
        try:
            if not NAME.fullmatch(name):
                raise ValueError("its name must be of lower-case letters, digits and hyphens")
            return self._check(name, found)
        except (TypeError, ValueError) as error:
            raise PluginError(f"{entry.value} of {plugin} is no {self.kind}: {error}") from error

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._named, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": list(self)}

    def _named(self, name: str) -> str:
        try:
            named = self.require(name)
            _ = self[name]
            return named
        except ValueError as error:
            raise PydanticCustomError(NOT_USABLE, "{problem}", {"problem": str(error)}) from error


@cache
def _loaded(registry: Registry[Thing], name: str) -> Thing:
    return registry.load(name)


@cache
def installed() -> dict[str, dict[str, tuple[EntryPoint, ...]]]:
    """What the distributions on this machine bring: their entry points by group and name. Imports nothing."""
    found: dict[str, dict[str, tuple[EntryPoint, ...]]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        entries = [each for each in distribution.entry_points if each.group.partition(".")[0] == "preimage"]
        if not entries or _normal(distribution.name) in seen:  # Python imports what is first on its path
            continue
        seen.add(_normal(distribution.name))
        for each in entries:
            group = found.setdefault(each.group.partition(".")[2], {})
            group[each.name] = (*group.get(each.name, ()), each)
    return found


def forget() -> None:
    """Look anew at what is installed, as after an installation in this process."""
    installed.cache_clear()
    _loaded.cache_clear()


def named_in(values: Any) -> dict[str, str]:
    """The versions, by name, of the distributions whose things plain values may name, such as those of a
    spec: a text that is such a name counts wherever it is."""
    if isinstance(values, Mapping):
        values = [*values.keys(), *values.values()]
    if isinstance(values, list | tuple):
        return {name: number for each in values for name, number in named_in(each).items()}
    named = [group.get(values, ()) for group in installed().values()] if isinstance(values, str) else []
    return dict(bringing(each) for entries in named for each in entries)


def made_with(about: Mapping[str, Any], what: str) -> dict[str, str]:
    """The versions, by name, of the plugins that something was made with, as its `plugins` say.

    about: a run's or submission's description, a manifest, or the provenance in a card. what: such as
    `the run pag-1234567890`. Raises PluginError if they are anything else.
    """
    found = about.get("plugins", {})
    if isinstance(found, Mapping) and all(
        DISTRIBUTION.fullmatch(str(name)) and isinstance(number, str) for name, number in found.items()
    ):
        return dict(found)
    raise PluginError(f"{what} is damaged: its plugins are no versions by name; make it again")


def require_installed(about: Mapping[str, Any], what: str) -> None:
    """Raise PluginError for something that was made with plugins that are not installed; warn if one is
    installed in another version. about, what: as `made_with` has them."""
    for name, needed in made_with(about, what).items():
        try:
            found = version(name)
        except PackageNotFoundError:
            raise PluginError(
                f"{what} was made with the plugin {name} {needed}, which is not installed here: install "
                "that version, from where you had it"
            ) from None
        if found != needed:
            log.warning(
                "%s was made with %s %s; here is %s, which makes another run", what, name, needed, found
            )


def bringing(entry: EntryPoint) -> Plugin:
    """The distribution that an entry point is of."""
    assert entry.dist
    return Plugin(entry.dist.name, entry.dist.version)


def _normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
