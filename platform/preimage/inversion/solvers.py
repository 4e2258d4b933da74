"""First-order solvers: each row of a batch has its own step number.

A solver's `begin` returns its state for new rows; its `step` evaluates the loss at the rows' codes and says
where to evaluate next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import Constraint
from preimage.inversion.problem import Problem, Rows

State = dict[str, Tensor]
"""A solver's state: tensors with one row per image."""


@dataclass
class Step:
    """The result of one step on a batch of n."""

    loss: Tensor
    """(n,), at the codes evaluated."""
    z: Tensor
    """(n, d), the codes to evaluate next."""
    passes: Tensor | int
    """Generator evaluations per row: each forward or reverse pass and each forward-mode tangent is one."""
    stuck: Tensor | None = None
    """(n,) bool: the solver has no useful step left."""


class Solver(Protocol):
    """A descent method: an object of your own may replace the built-in ones.

    It sees a batch of rows, each with its own image and its own step number `rows.taken`; what it does to one
    row must not depend on the others. Rows leave when they are done and others take their place, so whatever
    it remembers of a row belongs in the state, never in the solver itself. The engine keeps each row's best
    code and loss, and decides by `steps`, `tolerance` and `patience` when a row is done.
    """

    searches: bool
    """Whether it tries steps and accepts only those that lower the loss. Then its state holds the codes it
    accepted last as `z` (n, d), with their `loss` (n,), and a non-finite loss is a step to reject; otherwise
    one ends the row's search. It would reject a component redrawn during its search, so it clips, and the
    engine redraws when it is stuck on the edge."""

    def begin(self, z: Tensor) -> State:
        """The initial state of rows at z (n, d), on their device: tensors (n, ...) by name, which share no
        memory with each other or z."""
        ...

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        """Evaluate the rows' codes, once, by `problem.loss(rows)`, `problem.loss_and_gradient(rows)` or
        `problem.normal_equations(rows)`, and choose the next ones; changes the state in place."""
        ...


def require_solver(solver: Solver, config: InversionConfig, code: Tensor) -> Solver:
    """A user's solver, whose `begin` is tried on a code (1, d).

    Raises InversionError if it is none, or the config asks for a constraint, which only it could respect.
    """
    if not (callable(getattr(solver, "step", None)) and isinstance(getattr(solver, "searches", None), bool)):
        raise InversionError(
            f"a solver needs `searches`, `begin` and `step`, as in inversion.solvers.Solver, but this is a "
            f"{type(solver).__name__} without them"
        )
    if config.constraint != "none":
        raise InversionError(
            f"constraint={config.constraint} is for the built-in solvers: set constraint=none, and keep the "
            "codes there in the solver's own step"
        )
    state = solver.begin(code)
    needed = {"z", "loss"} if solver.searches else set()
    wrong = [name for name, each in state.items() if not isinstance(each, Tensor) or each.shape[:1] != (1,)]
    if wrong or needed - state.keys():
        named = ", ".join(sorted({*wrong, *(needed - state.keys())}))
        raise InversionError(f"a solver's begin must return tensors with one row per code: check {named}")
    return solver


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


UPDATES: dict[str, tuple[tuple[str, ...], Update]] = {
    "gradient-descent": ((), _plain),
    "momentum": (("mean",), _momentum),
    "rmsprop": (("square",), _rmsprop),
    "adam": (("mean", "square"), _adam),
}


@dataclass(frozen=True)
class Descent:
    """A learning rate times a direction, in coordinates u with z = whitening u if one is given."""

    config: InversionConfig
    constrain: Constraint
    whitening: Tensor | None = None
    """(d, d) symmetric; a plain gradient is multiplied by its square."""
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
        if drawn is not None:  # a redrawn component's moments are obsolete
            for moment in state.values():
                moment.masked_fill_(drawn, 0)
        return Step(loss, z, 2)


def learning_rate(config: InversionConfig, taken: Tensor) -> Tensor:
    """Each row's learning rate (n, 1), from the steps (n,) it has taken."""
    assert config.lr is not None
    halvings = taken // config.lr_halving_steps if config.lr_halving_steps else torch.zeros_like(taken)
    return (config.lr * 0.5**halvings)[:, None]
