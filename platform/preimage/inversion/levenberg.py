"""Levenberg-Marquardt on the pixels' residual, each image with its own damping.

Marquardt 1963: (J J^T + damping diag(J J^T)) s = -J r, damped by the diagonal. The damping follows the ratio
of the actual to the predicted fall in loss, as in Nielsen (1999). A step that does not lower the loss is
rejected, and costs one forward pass; one that does costs d forward-mode tangents for the next system.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.constraints import Constraint
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SolverSetup, State, Step

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-9, 1e8
SHARPEST = 1 / 5
"""The damping falls at most to this fraction of itself; a third was slower."""
NEGLIGIBLE = 1e-10
"""A predicted fall below this fraction of the loss leads nowhere."""


@dataclass(frozen=True)
class LevenbergMarquardt:
    """The solver. In a box, the system excludes components that the loss pushes out over an edge."""

    constrain: Constraint
    box: bool = False
    searches = True

    def begin(self, z: Tensor) -> State:
        n, d = z.shape
        one = torch.ones(n, device=z.device, dtype=torch.float64)
        return {
            "z": z.clone(),
            "loss": torch.full_like(one, torch.inf),
            "predicted": one.clone(),
            "square": torch.zeros(n, d, d, device=z.device, dtype=torch.float64),
            "slope": torch.zeros(n, d, device=z.device, dtype=torch.float64),
            "damping": one * FIRST_DAMPING,
            "growth": one * 2,
        }

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss = problem.loss(rows)
        better = loss.double() < state["loss"]  # never if the loss is NaN
        self._adapt(better, loss.double(), state)
        places = better.nonzero()[:, 0]
        if len(places):
            state["z"][places] = rows.z[places]
            state["square"][places], state["slope"][places] = problem.normal_equations(rows[places])
        move, negligible = self._solve(state)
        z, _ = self.constrain((state["z"] + move).to(rows.z.dtype), rows.ids, rows.counter)
        each = problem.jacobian.passes(z.shape[1]) + (problem.low is not None)
        passes = 1 + better.to(torch.int64) * each
        return Step(loss, z, passes, negligible | (state["damping"] > MOST_DAMPING))

    def _adapt(self, better: Tensor, loss: Tensor, state: State) -> None:
        """Accept better losses, and adapt the damping."""
        known = state["loss"].isfinite()
        gain = (state["loss"] - loss) / state["predicted"]
        relaxed = state["damping"] * (1 - (2 * gain - 1) ** 3).clamp_min(SHARPEST)
        relaxed = relaxed.clamp(LEAST_DAMPING, MOST_DAMPING)
        taken = torch.where(known, relaxed, state["damping"])
        state["damping"] = torch.where(better, taken, state["damping"] * state["growth"])
        state["growth"] = torch.where(better, 2.0, state["growth"] * 2)
        state["loss"] = torch.where(better, loss, state["loss"])

    def _solve(self, state: State) -> tuple[Tensor, Tensor]:
        """The next step (n, d), and whether its predicted gain is negligible (n,)."""
        square, slope = state["square"], state["slope"]
        diagonal = square.diagonal(dim1=1, dim2=2)
        scale = diagonal.clamp_min(1e-6 * diagonal.mean(1, keepdim=True) + torch.finfo(torch.float64).tiny)
        system = square + torch.diag_embed(state["damping"][:, None] * scale)
        if self.box:
            held = ((state["z"] <= -1) & (slope > 0)) | ((state["z"] >= 1) & (slope < 0))
            system = system.masked_fill(held[:, :, None] | held[:, None, :], 0) + torch.diag_embed(
                held.double()
            )
            slope = slope.masked_fill(held, 0)
        move = -torch.linalg.solve(system, slope)
        if self.box:
            move = (state["z"] + move).clamp(-1, 1) - state["z"]
        predicted = -(2 * (move * slope).sum(1) + torch.einsum("ni,nij,nj->n", move, square, move))
        state["predicted"] = predicted.clamp_min(torch.finfo(torch.float64).tiny)
        # a step clamped to the box may predict a rise: the damping grows, and the next step is shorter
        negligible = (predicted >= 0) & (predicted <= NEGLIGIBLE * state["loss"])
        return move.to(state["z"].dtype), negligible


def levenberg_marquardt(setup: SolverSetup) -> LevenbergMarquardt:
    return LevenbergMarquardt(setup.constrain(searches=True), setup.box)
