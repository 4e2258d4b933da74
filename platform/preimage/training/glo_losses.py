"""GLO's losses, by the names in specs."""

from typing import TYPE_CHECKING

from preimage.inversion.losses import LossKind, RowLoss, loss_kind
from preimage.plugins import Registry

if TYPE_CHECKING:
    import torch


def _lap1_paper(shape: tuple[int, ...], device: "torch.device") -> RowLoss:
    from preimage.objectives.lap1 import lap1  # imports torch

    return lambda made, images, count: lap1(made, images, "paper") / count


LAP1_PAPER = LossKind(_lap1_paper)

GLO_LOSSES = Registry(
    "loss",
    "losses",
    {
        "l2": "preimage.inversion.losses:SQUARED",
        "lap1": "preimage.inversion.losses:LAP1",
        "lap1-paper": "preimage.training.glo_losses:LAP1_PAPER",
    },
    loss_kind,
)
"""By the paper's names: `l2`, the mean squared error over pixels; `lap1`, the distance of Laplacian pyramids
with all levels equal; `lap1-paper`, with its sums weighted by 2^-2j as printed, over the number of values."""
