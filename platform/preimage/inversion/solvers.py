"""What a solver is: the descent itself, how it is made, and what a config may ask of it.

A solver's `begin` returns its state for new rows; its `step` evaluates the loss at the rows' codes and says
where to evaluate next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from preimage.config import Config
from preimage.errors import InversionError
from preimage.inversion.constraints import Constraint, ConstraintName, make_constraint
from preimage.own_settings import NoSettings, kind_check
from preimage.plugins import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from preimage.inversion.links import Link
    from preimage.inversion.problem import Problem, Rows

State = dict[str, "Tensor"]
"""A solver's state: tensors with one row per image."""


def like(rows: Tensor, values: Tensor) -> Tensor:
    """(n,) with as many dimensions as values (n, ...), for broadcasting."""
    return rows.view(-1, *[1] * (values.dim() - 1))


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
    code and loss, and decides by `steps`, `tolerance` and `patience` when a row is done. On a GPU, steps run
    on through a row that is done until the host looks, to no effect.
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


@dataclass(frozen=True)
class SolverSetup:
    """What a solver is made with."""

    lr: float | None
    lr_halving_steps: int | None
    steps: int
    """The most that a row may take from one start."""
    constraint: ConstraintName
    seed: int
    whitening: Tensor | None
    """(d, d) symmetric: codes are whitening @ u, in coordinates u in which images change about equally fast
    in every direction; None without."""
    link: Link
    """In which residuals are compared, see `links.link_of`."""
    weight: Tensor | None
    """(values, values), of residuals, see `Cascade`; None without."""
    values: int
    """Of an observed image."""
    settings: Any
    """The kind's own, an instance of its `settings`; None if it has none."""

    def constrain(self, searches: bool) -> Constraint:
        """Brings codes back to where they may lie. searches: what the solver's own `searches` is."""
        name = "clip" if searches and self.constraint == "stochastic-clip" else self.constraint
        return make_constraint(name, self.seed)

    @property
    def box(self) -> bool:
        """Whether codes may lie in [-1, 1]^d only."""
        return self.constraint in ("clip", "stochastic-clip")


@dataclass(frozen=True)
class SolverKind:
    """A solver as a config names it: how it is made, its defaults, and what it can do."""

    make: Callable[[SolverSetup], Solver]
    steps: int = 500
    """The default of `steps`; likewise the next three."""
    patience: int | None = 50
    lr: float | None = None
    """None for a solver without a learning rate, which finds its own step lengths."""
    whiten: bool = False
    takes_whitening: bool = False
    """Whether it makes use of `SolverSetup.whitening`."""
    takes_bfloat16: bool = True
    """Whether it descends on losses in bfloat16, as with precision=mixed."""
    squares_only: bool = False
    """Whether it minimises the squared error only, by `Problem.normal_equations`, for d more generator
    evaluations a step."""
    settings: type[Config] = NoSettings
    """Settings that it alone has: the keys of `solver_settings`."""

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("lr", "steps", "patience", "whiten")}


SOLVERS = Registry(
    "solver",
    "solvers",
    {
        "gradient-descent": "preimage.inversion.solver_kinds:GRADIENT_DESCENT",
        "momentum": "preimage.inversion.solver_kinds:MOMENTUM",
        "rmsprop": "preimage.inversion.solver_kinds:RMSPROP",
        "adam": "preimage.inversion.solver_kinds:ADAM",
        "lbfgs": "preimage.inversion.solver_kinds:LBFGS",
        "gauss-newton": "preimage.inversion.solver_kinds:GAUSS_NEWTON",
        "levenberg-marquardt": "preimage.inversion.solver_kinds:LEVENBERG_MARQUARDT",
    },
    kind_check(SolverKind),
)
"""By the name that a config's `solver` has. A new one is a SolverKind, and a line here or an entry point of a
plugin."""


def require_solver(solver: Solver, code: Tensor) -> Solver:
    """A user's solver, whose `begin` is tried on a code (1, d). Raises InversionError if it is none."""
    from torch import Tensor

    if not (callable(getattr(solver, "step", None)) and isinstance(getattr(solver, "searches", None), bool)):
        raise InversionError(
            f"a solver needs `searches`, `begin` and `step`, as in inversion.solvers.Solver, but this is a "
            f"{type(solver).__name__} without them"
        )
    state = solver.begin(code)
    needed = {"z", "loss"} if solver.searches else set()
    wrong = [name for name, each in state.items() if not isinstance(each, Tensor) or each.shape[:1] != (1,)]
    if wrong or needed - state.keys():
        named = ", ".join(sorted({*wrong, *(needed - state.keys())}))
        raise InversionError(f"a solver's begin must return tensors with one row per code: check {named}")
    return solver
