"""The memory that a tensor may still take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

GIB = 2**30


def free_memory(device: torch.device | None = None) -> int:
    """Bytes that tensors on this device may still take, those that torch keeps for itself among them.

    None: on the CPU."""
    if device and device.type == "cuda":
        import torch

        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return psutil.virtual_memory().available
