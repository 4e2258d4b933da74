"""Class labels as networks take them."""

import torch
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
    if how != "one-hot":
        return labels
    # F.one_hot reads the labels, to check them, where no kernel does.
    return torch.zeros(len(labels), classes, dtype=dtype, device=labels.device).scatter_(
        1, labels[:, None], 1
    )
