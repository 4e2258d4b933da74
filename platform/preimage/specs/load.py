"""Load a spec: from YAML, a profile and overrides to typed, complete jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from preimage.config import unknown
from preimage.errors import SpecError
from preimage.specs import overrides
from preimage.specs.models import SpecKeys
from preimage.specs.overrides import Changes
from preimage.specs.pipeline import Spec, build
from preimage.specs.profiles import profiles_in
from preimage.specs.validation import Mistake
from preimage.specs.validation import Path as Place
from preimage.specs.yaml_lines import Document, Written, parse
from preimage.storage.credentials import refusals


def load(path: Path, profile: str | None = None, changes: Changes = ()) -> Spec:
    """Read a spec file, apply a profile, then overrides such as `training.total_images=1000`.

    Raises SpecError with every mistake in one report, each with its line.
    """
    return loads(read(path), str(path), path.stem, profile, changes)


def read(path: Path) -> str:
    """The text of a spec file. Raises SpecError if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the spec {path}: {error}") from error


def loads(
    written: Written, origin: str, name: str, profile: str | None = None, changes: Changes = ()
) -> Spec:
    """Read a spec from its text, or from plain values; messages call it `origin`."""
    document = parse(written, origin)
    require_no_secret(document, origin)
    chosen = profile_of(document, origin, profile)
    value = {key: part for key, part in document.value.items() if key != "profiles"}
    value = overrides.apply(value, chosen)
    by_profile = {key: overrides.path_of(value, key) for key in chosen}
    value, asked = overrides.changed(value, changes)
    spec, mistakes = build(value, name)
    if mistakes or not spec:
        places = Places(document, value, profile, by_profile, asked)
        raise SpecError(report(origin, mistakes, places))
    return replace(spec, variant=variant(profile, asked))


def variant(profile: str | None, asked: Sequence[Place]) -> str:
    """How a spec differs from what its file says: `profile small, with overrides`.

    asked: the path of each override; those that only say where it runs and is recorded do not count.
    """
    changed = any(path[0] not in SpecKeys.model_fields and "resources" not in path for path in asked)
    return ", ".join([*([f"profile {profile}"] if profile else []), *(["with overrides"] if changed else [])])


def require_no_secret(document: Document, origin: str) -> None:
    """Raise SpecError if an address in a spec carries a password or key, before any message repeats it."""
    if found := refusals(document.value):
        raise SpecError(report(origin, found, Places(document, document.value, None, {}, [])))


def profile_of(document: Document, origin: str, profile: str | None) -> dict[str, Any]:
    """The overrides of a spec's profile; none without a name. Raises SpecError for an unknown profile."""
    profiles = profiles_in(document, origin)
    if profile is None:
        return {}
    if profile not in profiles:
        problem = unknown(profile, list(profiles), "profile") if profiles else "the spec has no profiles"
        raise SpecError(f"{origin}: {profile!r}: {problem}")
    return {str(key): value for key, value in profiles[profile].items()}


@dataclass(frozen=True)
class Places:
    """Where the parts of a spec come from: a line, a profile, or an override."""

    document: Document
    value: dict[str, Any]
    profile: str | None
    chosen: Mapping[str, Place]
    """The path of each of the profile's overrides, by key."""
    asked: Sequence[Place]
    """The path of each override."""

    def __call__(self, place: Place) -> str:
        """Empty for a part of a spec without lines."""
        places = [place, *self._default(place)]
        if any(within(each, path) for path in self.asked for each in places):
            return "override"
        for key, path in self.chosen.items():
            if any(within(each, path) for each in places):
                line = self.document.lines.get(("profiles", str(self.profile), key))
                return f"line {line}, profile {self.profile}" if line else f"profile {self.profile}"
        if not self.document.lines:
            return ""
        place = next((each for each in places if each in self.document.lines), place)
        while place and place not in self.document.lines:
            place = place[:-1]
        return f"line {self.document.lines.get(place, 1)}"

    def _default(self, place: Place) -> list[Place]:
        """The path of a step's setting if it is one of its job's defaults."""
        before, body = ((), self.value) if place[:1] != ("trial",) else (("trial",), self.value.get("trial"))
        inner = place[len(before) :]
        if len(inner) < 3 or not isinstance(body, dict):
            return []
        steps = body.get(str(inner[0]))
        step = steps.get(inner[1]) if isinstance(steps, dict) else None
        return [(*before, "defaults", str(step.get("job")), *inner[2:])] if isinstance(step, dict) else []


def within(place: Place, other: Place) -> bool:
    """Whether one of two places is or contains the other."""
    return place[: len(other)] == other or other[: len(place)] == place


def report(origin: str, mistakes: Sequence[Mistake], places: Places) -> str:
    """All mistakes in one message."""
    lines = []
    for place, problem in mistakes:
        parts = (places(place), ".".join(map(str, place)) or "the spec", problem)
        lines.append(f"  {': '.join(filter(None, parts))}")
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return f"{origin} has {count}:\n" + "\n".join(lines)
