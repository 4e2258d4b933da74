"""Copies of tensors to the device that computes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of any shape on this device; itself if it is there.

    To a CUDA GPU it goes by way of pinned memory, and the host does not wait: what is queued on the GPU
    afterwards sees the copy done. A tensor that was pinned already must not be written to until then.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
