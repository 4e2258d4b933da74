"""The printed values that the jobs know already, by a name that a claim gives."""

from collections.abc import Mapping

from preimage.jobs import published
from preimage.jobs.published import Published

CONSTANTS = {
    "GLO_ERRORS": "glo",
    "GLO_CONDITION": "glo",
    "DFM_SCORES": "denoising-feature-matching",
    "CLUSTER_RATIOS": "flexible-priors",
    "INDUCED_PAG": "flexible-priors",
    "RECOVERED": "precise-recovery",
    "RECOVERED_DISTANCES": "precise-recovery",
}
"""Whose they are."""


def printed(name: str) -> dict[str, float]:
    """Values by name. name: of the constant in preimage.jobs.published, then which of it: `GLO_ERRORS mnist`.

    Raises ValueError for a name that is not there.
    """
    constant, _, which = name.partition(" ")
    found = parts(constant).get(which)
    if found is None:
        raise ValueError(f"{name} is not published: {constant} has {', '.join(parts(constant))}")
    return dict(found)


def printed_value(name: str) -> float:
    """One of them: `GLO_ERRORS mnist: PCA`. Raises ValueError for a name that is not there."""
    these, _, key = name.partition(": ")
    found = printed(these)
    if key not in found:
        raise ValueError(f"{name} is not published: {these} has {', '.join(found)}")
    return found[key]


def parts(constant: str) -> dict[str, Mapping[str, float]]:
    """The values of a constant, by its images or its rows; by "" if it has one set only."""
    value = getattr(published, constant)
    if isinstance(value, Published):
        return {"": value.values}
    if isinstance(value, Mapping):
        nested = isinstance(next(iter(value.values())), Mapping)
        return {key: _by_text(each) for key, each in value.items()} if nested else {"": value}
    return {_images(each): each.values for each in value}


def _images(one: Published) -> str:
    return " ".join(filter(None, (one.images.source, one.images.category)))


def _by_text(values: Mapping[float, float]) -> dict[str, float]:
    return {f"{key:g}": each for key, each in values.items()}
