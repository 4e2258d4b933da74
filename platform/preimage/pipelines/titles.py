"""What a run is called in the tracker: its kind, its images, and what distinguishes it."""

from collections.abc import Mapping
from typing import Any

from preimage.data.config import DataConfig
from preimage.jobs.base import Job
from preimage.pipelines.plan import PlannedStep
from preimage.readable import number
from preimage.runs.metrics import flatten

LONGEST = 120
"""Characters of a title, and of one value in it."""


def title_of(step: PlannedStep, in_pipeline: bool) -> str:
    """A job's title: `train-gan digits w32 d20`; in a pipeline after the step's name."""
    parts = [step.job.job, *_images(step.data), *_label(step.job)]
    return f"{step.name}: {' '.join(parts)}" if in_pipeline else " ".join(parts)


def trial_title(number: int, params: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A trial's: its number and the values that vary. names: short ones, by dotted key."""
    values = [f"{names[key]}={_value(each)}" for key, each in params.items()]
    text = " ".join([str(number), *values])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _images(data: DataConfig | None) -> list[str]:
    if not data:
        return []
    split = data.split if data.split != "train" else None
    return [each for each in (data.source, data.category, split) if each]


def _label(job: Job) -> list[str]:
    """The values of the keys by which the job's kind is told apart, such as `w32`."""
    flat = flatten(job.model_dump(mode="json", include={key.split(".")[0] for key in job.told_apart_by}))
    found = ((mark, flat.get(key)) for key, mark in job.told_apart_by.items())
    return [f"{mark}{value}" for mark, value in found if value not in (None, "")]


def _value(value: Any) -> str:
    return number(value).replace(",", "") if isinstance(value, int | float) else str(value)
