"""Linear operators: measurements y = A x of an image x that are neither masks nor averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from preimage.config import Config
from preimage.data.image_shape import Shape
from preimage.errors import InversionError
from preimage.own_settings import NoSettings, kind_check
from preimage.plugins import Registry

if TYPE_CHECKING:
    from torch import Tensor

Map = Callable[["Tensor"], "Tensor"]


@dataclass(frozen=True)
class LinearOperator:
    """A linear map A of images, each by itself: a row of what it returns depends on that image alone.

    It is called with tensors of any batch size, on the device of the generator, in float32 and to check it in
    float64. It is tried before any step: see `operator_checks.checked`.
    """

    forward: Map
    """Images (n, C, H, W) to observations (n, ...)."""
    adjoint: Map | None = None
    """Observations (n, ...) to images (n, C, H, W), so that <A x, y> = <x, adjoint y>. Without it torch
    differentiates `forward`, which then is of torch's operations."""
    observed: tuple[int, ...] | None = None
    """The shape of an observation; None: whatever `forward` returns."""

    @classmethod
    def of_numpy(
        cls, forward: Callable[[np.ndarray], Any], adjoint: Callable[[np.ndarray], Any]
    ) -> LinearOperator:
        """From functions of arrays, (n, C, H, W) to (n, ...) and back, as of NumPy or SciPy."""
        return cls(_of_arrays(forward), _of_arrays(adjoint))

    def __call__(self, images: Tensor) -> Tensor:
        """A x for images (n, C, H, W), differentiable in both modes: (n, ...)."""
        if self.adjoint is None:
            return self.forward(images)
        from preimage.inversion.applied import Applied

        return Applied.apply(images, self.forward, self.adjoint)  # pyright: ignore[reportReturnType]

    def transposed(self, observations: Tensor, shape: Shape) -> Tensor:
        """A^T y for observations (n, ...) of images of this shape: (n, C, H, W).

        Raises InversionError if there is no adjoint and torch cannot differentiate the operator.
        """
        import torch

        with torch.enable_grad():
            return self._transposed(observations, shape)

    def _transposed(self, observations: Tensor, shape: Shape) -> Tensor:
        import torch

        if self.adjoint is not None:
            return self.adjoint(observations)
        images = observations.new_zeros(len(observations), *shape).requires_grad_()
        try:
            made = self.forward(images)
            return torch.autograd.grad(made, images, observations.to(made.dtype))[0]
        except RuntimeError as error:
            raise InversionError(
                f"torch cannot differentiate the operator ({str(error).partition('. ')[0]}): give its "
                "adjoint, or write it with torch's operations"
            ) from error


def _of_arrays(function: Callable[[np.ndarray], Any]) -> Map:
    import torch

    @wraps(function)
    def of_tensors(given: Tensor) -> Tensor:
        made = torch.from_numpy(np.ascontiguousarray(function(given.detach().cpu().numpy())))
        return made if made.is_complex() else made.to(given)

    return of_tensors


@dataclass(frozen=True)
class OperatorSetup:
    """What a named operator is made with."""

    shape: Shape
    """That of the images, (C, H, W)."""
    rate: float | None
    """The config's `rate`; None unless the kind takes one."""
    seed: int
    settings: Any
    """The kind's own, an instance of its `settings`; None if it has none."""


@dataclass(frozen=True)
class OperatorKind:
    """An operator as a config names it."""

    make: Callable[[OperatorSetup], LinearOperator]
    """Raises InversionError if there is none for such images."""
    takes_rate: bool = False
    """Whether it needs a `rate`: how many numbers it observes, relative to the image's."""
    settings: type[Config] = NoSettings
    """Settings that it alone has: the keys of `operator_settings`."""


OPERATORS = Registry(
    "operator",
    "operators",
    {"gaussian": "preimage.inversion.gaussian_operator:GAUSSIAN"},
    kind_check(OperatorKind),
)
"""By the name that a measurement's `operator` has. A new one is an OperatorKind, and a line here or an entry
point of a plugin."""
