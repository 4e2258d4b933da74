"""Whether an operator is what it says: tried on random images before any step."""

from typing import Any

import torch
from torch import Tensor

from preimage.data.image_shape import Shape
from preimage.errors import InversionError
from preimage.inversion.operators import LinearOperator
from preimage.random_streams import Stream

TOLERANCE = 1e-5
"""How far an operator may be from a linear one, and its adjoint from the true one, relative to the sizes of
what is compared."""
ROWS = 3
FACTORS = ((2.0, -3.0), (1000.0, 1.0))


def checked(operator: LinearOperator, shape: Shape, device: torch.device) -> tuple[int, ...]:
    """The shape of an observation of images of this shape (C, H, W).

    Tries the operator on random images, in float64 if it computes in that, else in float32. Raises
    InversionError unless it returns finite real numbers, as many for any batch, each row from its own image,
    leaves what it is given as it is, is linear, and its adjoint (its own or torch's) agrees with it.
    """
    random = Stream.OPERATOR_PROBES.generator(0)
    x, other, y = torch.randn(3, ROWS, *shape, generator=random, dtype=torch.float64).to(device)
    try:
        operator.forward(x.clone())
    except (RuntimeError, TypeError, ValueError):
        x, other, y = x.float(), other.float(), y.float()  # its constants may be of float32
    with torch.no_grad():
        seen = _observed(operator, x)
        _require_rows(operator, x, seen)
        _require_linear(operator, x, other, seen)
        _require_adjoint(operator, x, seen, _observed(operator, y))
    return tuple(seen.shape[1:])


def _observed(operator: LinearOperator, images: Tensor) -> Tensor:
    """What the operator returns, if it is of the right kind and shape."""
    asked = f"images {tuple(images.shape)}"
    try:
        made: Any = operator.forward(given := images.clone())
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InversionError(f"the operator does not take {asked}: {reason}") from error
    if not isinstance(made, Tensor) or not made.is_floating_point():
        kind = made.dtype if isinstance(made, Tensor) else type(made).__name__
        raise InversionError(
            f"the operator must return a tensor of real numbers, but of {asked} it returned {kind}: return "
            "real and imaginary parts of complex numbers, as torch.view_as_real does, and use "
            "LinearOperator.of_numpy for arrays"
        )
    if made.dim() < 2 or len(made) != len(images):
        raise InversionError(
            f"the operator must return a row of numbers for each image, ({len(images)}, ...), but of {asked} "
            f"it returned {tuple(made.shape)}"
        )
    _require_unchanged(given, images, "operator")
    if operator.observed not in (None, tuple(made.shape[1:])):
        raise InversionError(
            f"the operator says that an observation has the shape {operator.observed}, but of {asked} it "
            f"returned {tuple(made.shape)}: correct `observed`, or leave it out"
        )
    if not made.isfinite().all():
        raise InversionError(
            f"the operator returns numbers that are not finite for random {asked}: check its divisions"
        )
    return made


def _require_rows(operator: LinearOperator, images: Tensor, seen: Tensor) -> None:
    if not seen.flatten(1).any(1).all():
        raise InversionError(
            "the operator observes nothing of a random image, all it returns is 0: check what it selects"
        )
    alone = _observed(operator, images[:1])
    if alone.shape[1:] != seen.shape[1:]:
        raise InversionError(
            f"the operator returns {tuple(alone.shape)} for one image, but {tuple(seen.shape)} for "
            f"{len(seen)}: an observation must have the same shape in any batch"
        )
    if (wrong := _size(alone - seen[:1]) / _size(seen[:1])) > TOLERANCE:
        raise InversionError(
            f"the operator observes an image differently alone and among others, or at every call, by "
            f"{wrong:.1g} of its size: each row must depend on its own image alone, and on no chance"
        )


def _require_linear(operator: LinearOperator, x: Tensor, other: Tensor, seen: Tensor) -> None:
    size = _size(seen)
    if (offset := _size(_observed(operator, torch.zeros_like(x))) / size) > TOLERANCE:
        raise InversionError(
            f"the operator is affine, not linear: A(0) is {offset:.1g} of the size of A(x), not 0. Subtract "
            "A(0) from what it returns, and from the observations"
        )
    seen_too = _observed(operator, other)
    for a, b in FACTORS:
        error = _observed(operator, a * x + b * other) - (a * seen + b * seen_too)
        wrong = _size(error) / (abs(a) * size + abs(b) * _size(seen_too))
        if wrong > TOLERANCE:
            raise InversionError(
                f"the operator is not linear: A({a:g} x {b:+g} y) differs from {a:g} A(x) {b:+g} A(y) by "
                f"{wrong:.1g} of their size, more than {TOLERANCE:g}: leave out what clips, rounds, takes "
                "magnitudes or normalises"
            )


def _require_adjoint(operator: LinearOperator, x: Tensor, seen: Tensor, other: Tensor) -> None:
    """By |<A x, y> - <x, A^T y>| <= 1e-5 |A x| |y|, for y = A x, which shows a wrong scale best, and for the
    observation of another image."""
    for y in (seen, other):
        back = operator.transposed(given := y.clone(), x.shape[1:])  # pyright: ignore[reportArgumentType]
        _require_unchanged(given, y, "operator's adjoint")
        if not isinstance(back, Tensor) or back.shape != x.shape:
            found = tuple(back.shape) if isinstance(back, Tensor) else type(back).__name__
            raise InversionError(
                f"the operator's adjoint must return images {tuple(x.shape)} for observations "
                f"{tuple(y.shape)}, but returned {found}"
            )
        there, again = _inner(seen, y), _inner(x, back)
        if not (wrong := abs(there - again) / (_size(seen) * _size(y))) <= TOLERANCE:
            whose, what = ("given", "Correct it, or leave it out: torch derives that of its own operations.")
            if operator.adjoint is None:
                whose, what = "that torch derives", "Give one, or remove what hides a part from autograd."
            raise InversionError(
                f"the adjoint {whose} does not agree with the operator: <A x, y> = {there:.6g}, but "
                f"<x, A^T y> = {again:.6g}, {wrong:.1g} |A x| |y| apart, more than {TOLERANCE:g}. {what}"
            )


def _require_unchanged(given: Tensor, before: Tensor, what: str) -> None:
    if not torch.equal(given, before):
        raise InversionError(
            f"the {what} changes in place what it is given, which others use too: let it work on a copy"
        )


def _size(values: Tensor) -> float:
    return values.double().norm().item()


def _inner(one: Tensor, other: Tensor) -> float:
    return (one.double() * other.double()).sum().item()
