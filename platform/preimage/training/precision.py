"""The precision that losses and statistics need."""

import torch
from torch import Tensor


def upcast(tensor: Tensor) -> Tensor:
    """bfloat16, from autocast, becomes float32; float32 and float64 stay unchanged."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
