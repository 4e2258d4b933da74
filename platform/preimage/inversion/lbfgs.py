"""Limited-memory BFGS (Liu and Nocedal 1989), each image with its own history and line search.

The first guess of the inverse Hessian is a multiple of the whitening's square, if one is given: the average
of the generator's Jacobians, which a history takes long to learn.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.constraints import Constraint
from preimage.inversion.inverse_hessian import TINY, Estimate, Pairs, first_guess, quicker
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SolverSetup, State, Step, like

HISTORY = 30
"""Pairs remembered; with 10, exact recovery of 100-dimensional codes took a quarter more steps."""
FIRST_LENGTH = 0.5
"""Length of the first step: codes are of order 1."""
ENOUGH, SHORTER, SHORTEST = 1e-4, 0.3, 1e-6
"""Armijo's condition; a step that fails it is retried at a third of its length."""


@dataclass(frozen=True)
class LBFGS:
    """The solver: a step that does not lower the loss enough is retried, shorter."""

    constrain: Constraint
    whitening: Tensor | None = None
    """(d, d), see `whitening_of`."""
    box: bool = False
    """Components that the loss pushes out of [-1, 1] stay at the edge."""
    estimate: Estimate = quicker
    searches = True

    def begin(self, z: Tensor) -> State:
        n, d = z.shape
        pairs = z.new_zeros(n, HISTORY, d)
        one = z.new_ones(n)
        return {
            "z": z.clone(),
            "loss": one * torch.inf,
            "gradient": torch.zeros_like(z),
            "direction": torch.zeros_like(z),
            "length": one.clone(),
            "moves": pairs,
            "changes": pairs.clone(),
            "curvature": z.new_zeros(n, HISTORY),
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
            state[name] = _appended(state[name], latest, curved)
        for name, latest in (("z", z), ("loss", loss), ("gradient", gradient)):
            state[name] = torch.where(like(where, latest), latest, state[name])
        state["direction"] = torch.where(where[:, None], self._direction(state), state["direction"])

    def _direction(self, state: State) -> Tensor:
        """Minus the estimated inverse Hessian times the gradient, (n, d); at first, and where that would lead
        uphill, steepest descent."""
        gradient, held = state["gradient"], self._held(state)
        if held is not None:
            gradient = gradient.masked_fill(held, 0)
        pairs = Pairs(state["moves"], state["changes"], state["curvature"])
        q = self.estimate(gradient, pairs, self.whitening)
        steepest = first_guess(gradient, self.whitening)
        steepest = FIRST_LENGTH * steepest / steepest.norm(dim=1, keepdim=True).clamp_min(TINY)
        downhill = (pairs.curvature[:, -1] > 0) & ((q * gradient).sum(1) > 0)
        direction = -torch.where(downhill[:, None], q, steepest)
        return direction if held is None else direction.masked_fill(held, 0)

    def _held(self, state: State) -> Tensor | None:
        """(n, d) bool: the components that stay at their edge of the box."""
        z, gradient = state["z"], state["gradient"]
        return ((z <= -1) & (gradient > 0)) | ((z >= 1) & (gradient < 0)) if self.box else None


def _appended(history: Tensor, latest: Tensor, where: Tensor) -> Tensor:
    """A history (n, m, ...) with the latest (n, ...) in place of the oldest in these rows (n,) bool."""
    after = torch.empty_like(history)
    mask = like(where, history)
    torch.where(mask, history[:, 1:], history[:, :-1], out=after[:, :-1])
    torch.where(mask[:, 0], latest, history[:, -1], out=after[:, -1])
    return after


def lbfgs(setup: SolverSetup) -> LBFGS:
    return LBFGS(setup.constrain(searches=True), setup.whitening, setup.box)
