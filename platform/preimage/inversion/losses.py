"""Losses of images: by name, built-in ones and plugins', and a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preimage.data.image_shape import shape_text
from preimage.errors import InversionError
from preimage.plugins import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
"""(images (n, C, h, w), targets (n, C, h, w)), both zero where hidden, to a loss for each image (n,). If an
operator measures the images, both are what it returns, (n, ...)."""
RowLoss = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""The same, given also the number of observed values (n,)."""


def squared(images: Tensor, targets: Tensor, count: Tensor) -> Tensor:
    """The squared error, averaged over the observed values: (n,)."""
    return (images - targets).square().flatten(1).sum(1) / count


def users_loss(loss: Loss, shape: tuple[int, ...], device: torch.device) -> RowLoss:
    """A user's loss for observations of this shape, (C, h, w) unless an operator's, tried on two. A module is
    copied, in eval mode, to the device.

    Raises InversionError if it does not return one finite number per image, with a gradient.
    """
    import torch
    from torch import Tensor, nn

    from preimage.inversion.optimize_for_inference import freeze

    own = freeze(loss, device, optimize=False) if isinstance(loss, nn.Module) else loss
    ramp = torch.linspace(-1, 1, 2 * torch.Size(shape).numel(), device=device).view(2, *shape)
    images = (ramp / 2).requires_grad_()
    try:
        values = own(images, ramp.flip(tuple(range(ramp.dim()))))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InversionError(
            f"the loss does not take what is observed, {shape_text(shape)} numbers an image: {reason}"
        ) from error
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
    return lambda images, targets, count: own(images.contiguous(), targets).float()


@dataclass(frozen=True)
class LossKind:
    """A loss as a config names it."""

    for_images: Callable[[tuple[int, ...], torch.device], RowLoss]
    """The loss of observations of this shape, (C, h, w) unless an operator's. Raises InversionError as
    `users_loss` does."""
    is_squares: bool = False
    """Whether it is the squared error, which some solvers alone minimise."""


SQUARED = LossKind(lambda shape, device: squared, is_squares=True)


def _lap1(shape: tuple[int, ...], device: torch.device) -> RowLoss:
    from preimage.objectives.lap1 import lap1

    if len(shape) != 3:
        raise InversionError(
            f"lap1 compares images, but the operator's observations are {shape_text(shape)} numbers: use "
            "loss=squared"
        )
    return lambda images, targets, count: lap1(images, targets)


LAP1 = LossKind(_lap1)


def loss_kind(name: str, found: Any) -> LossKind:
    """What a registry of losses holds, from what is imported: a `Loss`, or a class of modules that are.

    Raises TypeError for anything else.
    """
    if isinstance(found, LossKind):
        return found
    from torch import nn

    if not callable(found) or (isinstance(found, type) and not issubclass(found, nn.Module)):
        raise TypeError("it must be a function of images and targets, a torch module, or a class of modules")
    make: Callable[[], Any] = found if isinstance(found, type) else lambda: found
    return LossKind(lambda shape, device: users_loss(make(), shape, device))


LOSSES = Registry(
    "loss",
    "losses",
    {"squared": "preimage.inversion.losses:SQUARED", "lap1": "preimage.inversion.losses:LAP1"},
    loss_kind,
)
"""By the name that a config's `loss` has. A plugin's is what `invert` takes: see `Loss`."""
