"""First-order solvers: each row of a batch has its own step number."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.constraints import Constraint
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SolverSetup, State, Step

Update = Callable[[Tensor, State, Tensor], Tensor]
"""(gradient (n, d), state, step number from 1 (n, 1)) to the direction that the learning rate multiplies."""

BETA1, BETA2, EPSILON, MOMENTUM, DECAY = 0.9, 0.999, 1e-8, 0.9, 0.99


def _plain(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    return gradient


def _momentum(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    """As in torch.optim.SGD, dampening 0."""
    return state["mean"].mul_(MOMENTUM).add_(gradient)


def _rmsprop(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    """Tieleman and Hinton 2012, as in torch.optim.RMSprop."""
    state["square"].mul_(DECAY).addcmul_(gradient, gradient, value=1 - DECAY)
    return gradient / (state["square"].sqrt() + EPSILON)


def _adam(gradient: Tensor, state: State, number: Tensor) -> Tensor:
    """Adam (Kingma and Ba 2015, Algorithm 1), with its own step number for every row."""
    state["mean"].lerp_(gradient, 1 - BETA1)
    state["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    mean = state["mean"] / (1 - BETA1**number)
    square = state["square"] / (1 - BETA2**number)
    return mean / (square.sqrt() + EPSILON)


@dataclass(frozen=True)
class Descent:
    """A learning rate times a direction, in coordinates u with z = whitening u if one is given."""

    names: tuple[str, ...]
    """What the update remembers of a row: a number for each component of its code."""
    update: Update
    setup: SolverSetup
    constrain: Constraint
    searches = False

    def begin(self, z: Tensor) -> State:
        return {name: torch.zeros_like(z) for name in self.names}

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss, gradient = problem.loss_and_gradient(rows)
        whitening = self.setup.whitening
        number = (rows.taken + 1)[:, None].to(rows.z.dtype)
        if whitening is None:
            direction = self.update(gradient, state, number)
        else:  # a plain gradient is multiplied by the whitening's square
            direction = self.update(gradient @ whitening, state, number) @ whitening
        moved = rows.z - learning_rate(self.setup, rows.taken) * direction
        z, drawn = self.constrain(moved, rows.ids, rows.counter)
        if drawn is not None:  # a redrawn component's moments are obsolete
            for moment in state.values():
                moment.masked_fill_(drawn, 0)
        return Step(loss, z, 2)


def learning_rate(setup: SolverSetup, taken: Tensor) -> Tensor:
    """Each row's learning rate (n, 1), from the steps (n,) it has taken."""
    assert setup.lr is not None
    halvings = taken // setup.lr_halving_steps if setup.lr_halving_steps else torch.zeros_like(taken)
    return (setup.lr * 0.5**halvings)[:, None]


def gradient_descent(setup: SolverSetup) -> Descent:
    return _descent((), _plain, setup)


def momentum(setup: SolverSetup) -> Descent:
    return _descent(("mean",), _momentum, setup)


def rmsprop(setup: SolverSetup) -> Descent:
    return _descent(("square",), _rmsprop, setup)


def adam(setup: SolverSetup) -> Descent:
    return _descent(("mean", "square"), _adam, setup)


def _descent(names: tuple[str, ...], update: Update, setup: SolverSetup) -> Descent:
    return Descent(names, update, setup, setup.constrain(searches=False))
