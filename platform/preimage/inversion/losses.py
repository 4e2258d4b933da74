"""The losses of an inversion: built-in ones by name, and a user's own."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion.optimize_for_inference import freeze
from preimage.objectives.lap1 import lap1

Loss = Callable[[Tensor, Tensor], Tensor]
"""(images (n, C, h, w), targets (n, C, h, w)), both zero where hidden, to a loss for each image (n,)."""
RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The same, given also the number of observed values (n,)."""


def squared(images: Tensor, targets: Tensor, count: Tensor) -> Tensor:
    """The squared error, averaged over the observed values: (n,)."""
    return (images - targets).square().flatten(1).sum(1) / count


def of_images(loss: Loss) -> RowLoss:
    """A loss that does not ask how much is observed."""
    return lambda images, targets, count: loss(images, targets).float()


LOSSES: dict[str, RowLoss] = {"squared": squared, "lap1": of_images(lap1)}


def users_loss(loss: Loss, shape: tuple[int, int, int], device: torch.device) -> RowLoss:
    """A user's loss for observed images of this shape (C, h, w), tried on two. A module is copied, in eval
    mode, to the device.

    Raises InversionError if it does not return one finite number per image, with a gradient.
    """
    own = freeze(loss, device, optimize=False) if isinstance(loss, nn.Module) else loss
    ramp = torch.linspace(-1, 1, 2 * torch.Size(shape).numel(), device=device).view(2, *shape)
    images = (ramp / 2).requires_grad_()
    values = own(images, ramp.flip(0, 1, 2, 3))
    if not isinstance(values, Tensor) or values.shape != (2,):
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InversionError(
            f"a loss must return one number per image, (2,) for two images, but this one returned {found}: "
            "average over the channels and pixels of each image, not over the batch"
        )
    if not values.requires_grad:
        raise InversionError("the loss has no gradient: compute it with torch's operations, without detach()")
    (gradient,) = torch.autograd.grad(values.sum(), images)
    if not (values.isfinite().all() and gradient.isfinite().all()):
        raise InversionError(
            "the loss or its gradient is not finite for images between -1 and 1: check its logarithms, roots "
            "and divisions"
        )
    return of_images(lambda images, targets: own(images.contiguous(), targets))
