"""Limited-memory BFGS (Liu and Nocedal 1989), each image with its own history and line search.

The first guess of the inverse Hessian is a multiple of the whitening's square, if one is given: the average
of the generator's Jacobians, which a history takes long to learn.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.constraints import Constraint
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SolverSetup, State, Step

HISTORY = 30
"""Pairs remembered; with 10, exact recovery of 100-dimensional codes took a quarter more steps."""
FIRST_LENGTH = 0.5
"""Length of the first step: codes are of order 1."""
ENOUGH, SHORTER, SHORTEST = 1e-4, 0.3, 1e-6
"""Armijo's condition; a step that fails it is retried at a third of its length."""
TINY = 1e-30


@dataclass(frozen=True)
class LBFGS:
    """The solver: a step that does not lower the loss enough is retried, shorter."""

    constrain: Constraint
    whitening: Tensor | None = None
    """(d, d), see `whitening_of`."""
    box: bool = False
    """Components that the loss pushes out of [-1, 1] stay at the edge."""
    searches = True

    def begin(self, z: Tensor) -> State:
        n, d = z.shape
        pairs = torch.zeros(n, HISTORY, d, device=z.device)
        one = torch.ones(n, device=z.device)
        return {
            "z": z.clone(),
            "loss": one * torch.inf,
            "gradient": torch.zeros_like(z),
            "direction": torch.zeros_like(z),
            "length": one.clone(),
            "moves": pairs,
            "changes": pairs.clone(),
            "curvature": torch.zeros(n, HISTORY, device=z.device),
        }

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss, gradient = problem.loss_and_gradient(rows)
        move = rows.z - state["z"]
        enough = loss <= state["loss"] + ENOUGH * (state["gradient"] * move).sum(1)
        self._take(enough, rows.z, move, loss, gradient, state)
        state["length"] = torch.where(enough, 1.0, state["length"] * SHORTER)
        ahead = state["z"] + state["length"][:, None] * state["direction"]
        z, _ = self.constrain(ahead, rows.ids, rows.counter)
        return Step(loss, z, 2, (state["length"] < SHORTEST) | (z == state["z"]).all(1))

    def _take(
        self, where: Tensor, z: Tensor, move: Tensor, loss: Tensor, gradient: Tensor, state: State
    ) -> None:
        """Move to z in these rows, store the pair of moves and changes, and set a new direction."""
        change = gradient - state["gradient"]
        product = (move * change).sum(1)
        curved = where & (product > 1e-8 * move.norm(dim=1) * change.norm(dim=1)) & state["loss"].isfinite()
        for name, latest in (("moves", move), ("changes", change), ("curvature", product)):
            rolled = torch.cat([state[name][:, 1:], latest[:, None]], dim=1)
            state[name] = torch.where(_like(curved, rolled), rolled, state[name])
        for name, latest in (("z", z), ("loss", loss), ("gradient", gradient)):
            state[name] = torch.where(_like(where, latest), latest, state[name])
        state["direction"] = torch.where(where[:, None], self._direction(state), state["direction"])

    def _direction(self, state: State) -> Tensor:
        """Minus the estimated inverse Hessian times the gradient, by the two-loop recursion; (n, d)."""
        moves, changes, curvature = state["moves"], state["changes"], state["curvature"]
        inverse = torch.where(curvature > 0, 1 / curvature.clamp_min(TINY), 0)
        held = self._held(state)
        gradient = state["gradient"].masked_fill(held, 0)
        q, shares = gradient, []
        for i in reversed(range(HISTORY)):
            shares.append(inverse[:, i] * (moves[:, i] * q).sum(1))
            q = q - shares[-1][:, None] * changes[:, i]
        steepest = self._first_guess(gradient)
        steepest = FIRST_LENGTH * steepest / steepest.norm(dim=1, keepdim=True).clamp_min(TINY)
        latest = changes[:, -1]
        scale = curvature[:, -1] / (latest * self._first_guess(latest)).sum(1).clamp_min(TINY)
        q = scale[:, None] * self._first_guess(q)
        for i, share in zip(range(HISTORY), reversed(shares), strict=True):
            q = q + moves[:, i] * (share - inverse[:, i] * (changes[:, i] * q).sum(1))[:, None]
        downhill = (curvature[:, -1] > 0) & ((q * gradient).sum(1) > 0)
        return -torch.where(downhill[:, None], q, steepest).masked_fill(held, 0)

    def _held(self, state: State) -> Tensor:
        """(n, d) bool: the components that stay at their edge of the box."""
        z, gradient = state["z"], state["gradient"]
        if not self.box:
            return torch.zeros_like(z, dtype=torch.bool)
        return ((z <= -1) & (gradient > 0)) | ((z >= 1) & (gradient < 0))

    def _first_guess(self, gradient: Tensor) -> Tensor:
        return gradient if self.whitening is None else gradient @ self.whitening @ self.whitening


def _like(where: Tensor, values: Tensor) -> Tensor:
    return where.view(-1, *[1] * (values.dim() - 1))


def lbfgs(setup: SolverSetup) -> LBFGS:
    return LBFGS(setup.constrain(searches=True), setup.whitening, setup.box)
