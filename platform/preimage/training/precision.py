"""The precision of a training step: of its products, and of what losses and statistics need."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from preimage.float32 import float32_products


def upcast(tensor: Tensor) -> Tensor:
    """bfloat16, from autocast, becomes float32; float32 and float64 stay unchanged."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def step_products(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The float32 products of a training step: TF32 on a GPU if `training.precision` says so, else as the
    process has them."""
    return float32_products("tf32") if precision == "tf32" and device.type == "cuda" else nullcontext()
