"""Class labels as networks take them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from preimage.errors import GeneratorError
from preimage.models.config import ClassInput


def encoded(
    labels: Tensor | None, classes: int, how: ClassInput, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Class labels (N,) int64 as a network takes them: (N,) int64, or one-hot (N, classes).

    Raises GeneratorError if there are none.
    """
    if labels is None:
        raise GeneratorError("this generator needs a class label for every code")
    return F.one_hot(labels, classes).to(dtype) if how == "one-hot" else labels
