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


def rows_to_device(tensor: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    """Rows (n,) of a tensor (N, ...) on this device, taken where the tensor is; rows: on any device.

    From the host to a CUDA GPU they are gathered in pinned memory, and the host does not wait.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return to_device(tensor[to_device(rows, tensor.device)], device)
    import torch

    gathered = _pinned_like(tensor, len(rows))
    torch.index_select(tensor, 0, rows.cpu(), out=gathered)
    return gathered.to(device, non_blocking=True)


def _pinned_like(tensor: Tensor, count: int) -> Tensor:
    """Room for so many rows in pinned memory, which torch keeps for the next batch."""
    return tensor.new_empty((count, *tensor.shape[1:]), pin_memory=True)
