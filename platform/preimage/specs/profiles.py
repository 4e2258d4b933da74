"""A spec's named sets of overrides. Imports no job: they are also listed and completed."""

from typing import Any

from preimage.errors import SpecError
from preimage.specs.header import first_sentence, header_of
from preimage.specs.yaml_lines import Document, parse


def profiles_in(document: Document, origin: str) -> dict[str, dict[str, Any]]:
    """The overrides of each profile by its name. Raises SpecError for anything else under that key."""
    profiles = document.value.get("profiles") or {}
    if not isinstance(profiles, dict) or not all(isinstance(each, dict) for each in profiles.values()):
        raise SpecError(f"{origin}: profiles must map names to dotted keys and their values")
    return {str(name): dict(each) for name, each in profiles.items()}


def described(text: str, origin: str) -> dict[str, str]:
    """What each profile of a spec is for, by its name: what the comment at the head says, or else what it
    overrides. Raises SpecError."""
    remarks = header_of(text).remarks
    return {
        name: first_sentence(remarks[name]) if name in remarks else _overridden(values)
        for name, values in profiles_in(parse(text, origin), origin).items()
    }


def _overridden(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items()) or "changes nothing"
