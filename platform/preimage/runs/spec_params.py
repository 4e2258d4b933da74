"""A spec's settings as a tracker shows them: by the keys that an override would name."""

import json
from collections.abc import Mapping
from typing import Any

from preimage.runs.metrics import flatten

SECTIONS = ("steps", "repeat", "finally")
"""Keys of a pipeline that hold steps, in the order they run."""
ELSEWHERE = ("name", "results", "tracking")
"""Keys that decide nothing of the result, and that a tracker's run says elsewhere."""


def spec_params(spec: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a resolved spec by dotted key, `train.model.latent_dim` in a pipeline.

    varied: a trial's values of its study's space; those of whole mappings are no settings by themselves.
    """
    body = _without_sections({key: each for key, each in spec.items() if key not in ELSEWHERE})
    if isinstance(trial := body.get("trial"), Mapping):
        body["trial"] = _without_sections(trial)
    return {**varied, **flatten(body)}


def override_text(value: Any) -> str:
    """A setting as an override has it: `null`, `true`, `[1, 2]`."""
    return value if isinstance(value, str) else json.dumps(value)


def _without_sections(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of steps beside those of the pipeline. Some jobs have a number under the key `steps`."""
    found: dict[str, Any] = {}
    for key, each in body.items():
        is_section = key in SECTIONS and isinstance(each, Mapping) and "job" not in body
        found |= each if is_section else {key: each}
    return found
