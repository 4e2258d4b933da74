"""Specs given as Python objects: jobs, configs and mappings of them as a spec file's plain values."""

from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from preimage.errors import SpecError
from preimage.jobs.base import Job


def plain_spec(spec: Job | Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a job, of a pipeline's jobs by the names of their steps, or of a spec file's keys.

    Raises SpecError for a value that no spec holds.
    """
    if isinstance(spec, Mapping) and spec and all(isinstance(each, Job) for each in spec.values()):
        spec = {"steps": spec}
    return plain(spec, "the spec")


def plain(value: Any, place: str) -> Any:
    """A value as YAML has it; of an object, the fields that were set. Raises SpecError; place: its key."""
    if isinstance(value, Job):  # first its kind, which nobody sets
        return {"job": value.job} | value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: plain(each, f"{place}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, f"{place}.{i}") for i, each in enumerate(value)]
    if isinstance(value, Enum):
        return plain(value.value, place)
    if isinstance(value, str | PurePath):
        return str(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # numpy's and torch's numbers
        return value.item()
    if value is None or isinstance(value, bool | int | float):
        return value
    raise SpecError(
        f"{place}: a spec holds texts, numbers, lists, mappings and jobs, but this is a "
        f"{type(value).__module__}.{type(value).__qualname__}"
    )
