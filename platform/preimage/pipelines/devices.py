"""What a job computes on."""

import logging
from typing import Any

from preimage import hardware
from preimage.config import Resources
from preimage.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

NAMES = {"cpu": "CPU", "cuda": "GPU"}
"""Devices, in words."""


def device_of(resources: Resources) -> str:
    """What a job computes on: the type of its device here, or of its workers'."""
    if resources.backend == "local":
        return resources.device().type
    from preimage.cluster.connect import gives_gpus  # imported only if it is needed

    return "cuda" if gives_gpus(resources) else "cpu"


def hardware_of(resources: Resources) -> dict[str, Any] | None:
    """What a job works on: of this machine, or of its workers'. None if that is not known."""
    on_gpu = device_of(resources) == "cuda"
    if resources.backend == "local":
        return hardware.used(
            hardware.machine(), resources.cpus_per_worker, on_gpu, not resources.deterministic
        )
    from preimage.cluster.hardware import hardware_of  # imported only if it is needed

    return hardware_of(resources, on_gpu)


def note_device(run: RunFolder, device: str) -> None:
    """Warn if a run resumes on another kind of device."""
    before = run.device()
    if before not in (None, device):
        log.warning(
            "%s was begun on the %s and resumes on the %s: it agrees with an undisturbed run up to rounding, "
            "but a GAN in training draws other codes from here on",
            *(run.name, NAMES[str(before)], NAMES[device]),
        )
    if before != device:
        run.compute_on(device)
