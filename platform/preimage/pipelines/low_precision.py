"""What is said, before a job starts, of precisions that do not pay where it runs."""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from preimage import hardware
from preimage.bfloat16 import CHANNELS, TOLERATED, bfloat16_factor
from preimage.jobs.base import Job
from preimage.runs.metrics import flatten

log = logging.getLogger(__name__)

BFLOAT16 = ("bf16", "mixed")
"""Values of keys named `precision` that compute in bfloat16."""


def lowered(job: Job) -> dict[str, str]:
    """The job's settings of a precision below float32, by dotted key."""
    flat = flatten(job.model_dump(mode="json", exclude={"resources"}))
    found = {key: value for key, value in flat.items() if key.rpartition(".")[2] == "precision"}
    return {key: value for key, value in found.items() if value in (*BFLOAT16, "tf32")}


def expected(job: Job, on: Mapping[str, Any]) -> str | None:
    """What a plan says of them on this machine, by its flags alone. on: see `hardware.used`."""
    if "gpu" in on:
        return None
    slow = hardware.multiplies_bfloat16() is False
    said = [_text(key, value, on) for key, value in lowered(job).items() if slow or value == "tf32"]
    return "; ".join(said) or None


def warn(precisions: Mapping[str, str], on: Mapping[str, Any] | None) -> None:
    """Warn, once, of each precision that does not pay on the CPUs that compute.

    precisions: by the key of the setting. on: see `hardware.used`; None if it is not known.
    """
    if on is None or "gpu" in on:
        return
    for key, value in precisions.items():
        if value == "tf32":
            _warn(_text(key, value, on))
        elif value in BFLOAT16 and (factor := _factor(on)) > TOLERATED:
            _warn(_text(key, value, on, factor))


def _factor(on: Mapping[str, Any]) -> float:
    """How many times as long bfloat16 takes: here, or on the slowest of a cluster's other processors."""
    here = hardware.machine()
    if all(on[key] == here[key] for key in ("cpu", "instructions")):
        return bfloat16_factor()
    from preimage.cluster.hardware import bfloat16_factor_of_nodes  # imported only if it is needed

    return bfloat16_factor_of_nodes()


def _text(key: str, value: str, on: Mapping[str, Any], factor: float | None = None) -> str:
    """factor: how many times as long bfloat16 takes, if it was measured."""
    if value == "tf32":
        return f"{key}=tf32 is the same as float32 on a CPU"
    what = "convolutions take many"
    if factor:
        what = f"a convolution of {CHANNELS} channels takes about {factor:.2g}"
    processor = f"{on['cpu']}, {on['instructions'].upper()}"
    return (
        f"{key}={value}: {what} times as long in bfloat16 as in float32 on this processor ({processor}); "
        f"set {key}=float32"
    )


@cache
def _warn(text: str) -> None:
    log.warning(text)
