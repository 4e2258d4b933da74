"""Solvers by their gradient alone: each row of a batch is at its own step number.

A solver says with `begin` what it remembers of rows, and with `step` evaluates the loss at the rows' codes
and says where to look next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import Constraint
from preimage.inversion.problem import Problem, Rows

State = dict[str, Tensor]
"""What a solver remembers: tensors with one row an image."""


@dataclass
class Step:
    """What one step of a batch of n found."""

    loss: Tensor
    """(n,) of the codes that were asked for."""
    z: Tensor
    """(n, d), the codes to ask for next."""
    passes: Tensor | int
    """Generator evaluations a row: each forward or reverse pass and each forward-mode tangent is one."""
    stuck: Tensor | None = None
    """(n,) bool: no step that the solver would take leads on."""


class Solver(Protocol):
    """A way to descend."""

    searches: bool
    """Whether it tries steps and takes only what lowers the loss: a component drawn anew amid its search
    would be a step refused, so it clips, and the engine draws anew where it is stuck on the edge."""

    def begin(self, z: Tensor) -> State:
        """The state of rows that begin at z (n, d)."""
        ...

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        """Evaluate the rows' codes; the state is changed in place."""
        ...


Update = Callable[[Tensor, State, Tensor], Tensor]
"""(gradient (n, d), state, step number from 1 (n, 1)) to the direction that a learning rate multiplies."""

BETA1, BETA2, EPSILON, MOMENTUM, DECAY = 0.9, 0.999, 1e-8, 0.9, 0.99


def _plain(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    return gradient


def _momentum(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    """As torch.optim.SGD has it, dampening 0."""
    return state["mean"].mul_(MOMENTUM).add_(gradient)


def _rmsprop(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    """Tieleman and Hinton 2012, as torch.optim.RMSprop has it."""
    state["square"].mul_(DECAY).addcmul_(gradient, gradient, value=1 - DECAY)
    return gradient / (state["square"].sqrt() + EPSILON)


def _adam(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    """Adam (Kingma and Ba 2015, Algorithm 1), with a step number of its own for every row."""
    state["mean"].lerp_(gradient, 1 - BETA1)
    state["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    mean = state["mean"] / (1 - BETA1**number)
    square = state["square"] / (1 - BETA2**number)
    return mean / (square.sqrt() + EPSILON)


UPDATES: dict[str, tuple[tuple[str, ...], Update]] = {
    "gradient-descent": ((), _plain),
    "momentum": (("mean",), _momentum),
    "rmsprop": (("square",), _rmsprop),
    "adam": (("mean", "square"), _adam),
}


@dataclass(frozen=True)
class Descent:
    """A learning rate times a direction, in coordinates u with z = whitening u where one is given."""

    config: InversionConfig
    constrain: Constraint
    whitening: Tensor | None = None
    """(d, d) symmetric; its square is what multiplies a plain gradient."""
    searches = False

    def begin(self, z: Tensor) -> State:
        names, _ = UPDATES[self.config.solver]
        return {name: torch.zeros_like(z) for name in names}

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss, gradient = problem.loss_and_gradient(rows)
        _, update = UPDATES[self.config.solver]
        number = (rows.taken + 1)[:, None].to(rows.z.dtype)
        if self.whitening is None:
            direction = update(gradient, state, number)
        else:
            direction = update(gradient @ self.whitening, state, number) @ self.whitening
        z, drawn = self.constrain(
            rows.z - learning_rate(self.config, rows.taken) * direction, rows.ids, rows.counter
        )
        if drawn is not None:  # moments of a component that is elsewhere now say nothing
            for moment in state.values():
                moment.masked_fill_(drawn, 0)
        return Step(loss, z, 2)


def learning_rate(config: InversionConfig, taken: Tensor) -> Tensor:
    """Each row's learning rate (n, 1), from the steps (n,) it has taken."""
    assert config.lr is not None
    halvings = taken // config.lr_halving_steps if config.lr_halving_steps else torch.zeros_like(taken)
    return (config.lr * 0.5**halvings)[:, None]
