"""Keys, values and numbers in readable form."""

from collections.abc import Iterable, Mapping
from typing import Any

from preimage import readable
from preimage.storage.folder import canonical_json


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Dotted keys, shortened to as few last parts as keep them unique."""
    parts = {key: key.split(".") for key in keys}
    names = {}
    for key, own in parts.items():
        others = [other for name, other in parts.items() if name != key]
        fits = [n for n in range(1, len(own) + 1) if all(own[-n:] != other[-n:] for other in others)]
        names[key] = ".".join(own[-min(fits, default=len(own)) :])
    return names


def number(value: Any) -> str:
    """A value of a space or of an objective."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else canonical_json(value)
    return readable.number(value)


def params_text(params: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The parameters of a trial in one line."""
    return ", ".join(f"{name} {number(params[key])}" for key, name in names.items() if key in params)
