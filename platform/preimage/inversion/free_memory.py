"""The memory that a tensor may still take."""

import psutil
import torch

GIB = 2**30


def free_memory(device: torch.device) -> int:
    """Bytes that tensors on this device may still take, those that torch keeps for itself among them."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return psutil.virtual_memory().available
