"""Where codes may be, and how to bring back one that left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from preimage.errors import InversionError
from preimage.latents.priors import project, support_of
from preimage.random_streams import Stream, uniform

if TYPE_CHECKING:
    from torch import Tensor

ConstraintName = Literal["none", "clip", "stochastic-clip", "ball"]
Constraint = Callable[["Tensor", "Tensor", "Tensor"], tuple["Tensor", "Tensor | None"]]
"""(codes (n, d), ids (n,), a counter (n,)) to allowed codes, and which components were redrawn (n, d) bool,
or None if the constraint never redraws."""

EDGE = 1 - 1e-6
"""A component this far out has been clipped."""


def make_constraint(name: ConstraintName, seed: int) -> Constraint:
    """The constraint of that name. seed: the run's."""
    return {"none": _none, "clip": _clip, "ball": _ball}.get(name) or _stochastic(seed)


def require_allowed(name: ConstraintName, prior: str | None) -> None:
    """Raise InversionError if the prior, by its name, draws codes that the constraint forbids."""
    needed = {"clip": "box", "stochastic-clip": "box", "ball": "ball"}.get(name)
    if prior and needed and support_of(prior) != needed:
        where = {"box": "[-1, 1]^d", "ball": "the unit ball"}[needed]
        raise InversionError(
            f"constraint={name} keeps codes in {where}, but the generator's {prior} prior draws codes "
            "outside it: use none, or a generator with such a bounded prior."
        )


def redrawn(z: Tensor, where: Tensor, seed: int, ids: Tensor, counter: Tensor) -> Tensor:
    """Redraw each of these components independently from [-1, 1] (precise-recovery, section 2). seed: the
    run's."""
    import torch

    drawn = uniform(Stream.REDRAWS.seed(seed), ids, counter, z.shape[1])
    return torch.where(where, drawn * 2 - 1, z)


def _none(z: Tensor, ids: Tensor, counter: Tensor) -> tuple[Tensor, None]:
    return z, None


def _clip(z: Tensor, ids: Tensor, counter: Tensor) -> tuple[Tensor, None]:
    return z.clamp(-1, 1), None


def _ball(z: Tensor, ids: Tensor, counter: Tensor) -> tuple[Tensor, None]:
    return project(z), None


def _stochastic(seed: int) -> Constraint:
    def clip(z: Tensor, ids: Tensor, counter: Tensor) -> tuple[Tensor, Tensor]:
        outside = z.abs() > 1
        return redrawn(z, outside, seed, ids, counter), outside

    return clip
