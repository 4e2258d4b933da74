"""Damped Gauss-Newton with Broyden's updates: one Jacobian, then one generator evaluation a step.

The Jacobian of the residual is measured by forward-mode tangents, and afterwards follows the steps taken
(Broyden 1965: the least change with which it explains the latest difference); it is measured again where the
loss no longer falls quickly. The damping is a multiple of the loss, so that convergence is superlinear
(Yamashita and Fukushima 2001), and the multiple grows where a step does not lower it.

It searches for codes of images that the generator can make; of others its updates amplify rounding. The
residual is that of a final tanh's arguments (see `links`), and weighted where the start was predicted by a
`Cascade`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.constraints import Constraint
from preimage.inversion.links import Link
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SolverSetup, State, Step, like

DAMPING, LEAST, MOST = 1e-2, 1e-4, 1e8
"""The damping relative to the loss: first, and its limits."""
SHRINK, GROW = 0.5, 4.0
WAIT, ENOUGH = 6, 0.3
"""The Jacobian is measured again if the loss has not fallen to this fraction in so many steps."""
TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class GaussNewton:
    """The solver."""

    constrain: Constraint
    link: Link
    values: int
    """Of an observed image."""
    weight: Tensor | None = None
    """(values, values), see `Cascade`."""
    searches = True

    def begin(self, z: Tensor) -> State:
        (n, d), device = z.shape, z.device
        one = torch.ones(n, device=device, dtype=torch.float64)
        return {
            "z": z.clone(),
            "loss": torch.full((n,), torch.inf, device=device),
            "error": one * torch.inf,
            "residual": torch.zeros(n, self.values, device=device),
            "slopes": torch.zeros(n, d, self.values, device=device),
            "square": torch.zeros(n, d, d, device=device, dtype=torch.float64),
            "damping": one * DAMPING,
            "mark": one * torch.inf,
            "age": torch.zeros(n, device=device, dtype=torch.int64),
        }

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        with torch.no_grad():
            images = problem.seen(problem.network, rows.z, rows)
            loss = problem.compare(images, rows.target, rows.count)
        residual = self._compared(images.flatten(1)) - self._compared(rows.target.flatten(1))
        error = residual.double().square().mean(1)
        known, better = state["error"].isfinite(), error < state["error"]
        self._follow(known & error.isfinite(), rows.z - state["z"], residual - state["residual"], state)
        for name, latest in (("z", rows.z), ("loss", loss), ("residual", residual), ("error", error)):
            state[name] = torch.where(like(better, latest), latest, state[name])
        factor = torch.where(better, SHRINK, GROW)
        state["damping"] = torch.where(known, (state["damping"] * factor).clamp(LEAST, MOST), DAMPING)
        again = self._outdated(state)
        places = again.nonzero()[:, 0]
        if len(places):
            self._measure(problem, rows, places, state)
        z, _ = self.constrain(state["z"] + self._move(state), rows.ids, rows.counter)
        passes = 1 + again.to(torch.int64) * problem.jacobian.passes(z.shape[1])
        return Step(loss, z, passes, (state["damping"] >= MOST) | (z == state["z"]).all(1))

    def _compared(self, pixels: Tensor) -> Tensor:
        values = self.link.value(pixels)
        return values if self.weight is None else values @ self.weight

    def _follow(self, where: Tensor, move: Tensor, change: Tensor, state: State) -> None:
        """Broyden's update of the slopes, and of their square."""
        length = move.double().square().sum(1).clamp_min(TINY)
        s, slopes = move.double() * where[:, None], state["slopes"]
        missing = (change - (move[:, None] @ slopes)[:, 0]).double() / length[:, None]
        cross = (slopes @ missing.float()[:, :, None])[:, :, 0].double() / self.values
        both = cross[:, :, None] * s[:, None, :]
        size = (missing.square().mean(1))[:, None, None]
        state["square"] += both + both.mT + size * s[:, :, None] * s[:, None, :]
        state["slopes"] = slopes + (s[:, :, None] * missing[:, None, :]).float()

    def _outdated(self, state: State) -> Tensor:
        """(n,) bool: where the Jacobian is to be measured at the accepted codes."""
        state["age"] += 1
        fell = state["error"] <= ENOUGH * state["mark"]
        again = state["mark"].isinf() | (~fell & (state["age"] >= WAIT))
        state["mark"] = torch.where(fell | again, state["error"], state["mark"])
        state["age"] = torch.where(fell | again, 0, state["age"])
        return again

    def _measure(self, problem: Problem, rows: Rows, places: Tensor, state: State) -> None:
        some = rows[places]
        some.z = state["z"][places]
        images, slopes = problem.images_and_slopes(some)
        slopes = slopes * self.link.slope(images)[:, None]
        slopes = slopes if self.weight is None else slopes @ self.weight
        state["slopes"][places] = slopes
        state["square"][places] = slopes.double() @ slopes.double().mT / self.values

    def _move(self, state: State) -> Tensor:
        slope = (state["slopes"] @ state["residual"][:, :, None])[:, :, 0].double() / self.values
        system = state["square"].clone()
        system.diagonal(dim1=1, dim2=2).add_((state["damping"] * state["error"] + TINY)[:, None])
        return -torch.linalg.solve(system, slope).to(state["z"].dtype)


def gauss_newton(setup: SolverSetup) -> GaussNewton:
    return GaussNewton(setup.constrain(searches=True), setup.link, setup.values, setup.weight)
