"""Numbers in the precision that losses and statistics need."""

import torch
from torch import Tensor


def upcast(tensor: Tensor) -> Tensor:
    """What autocast computed in bfloat16 becomes float32; float32 and float64 stay what they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
