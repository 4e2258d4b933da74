"""barzilai-borwein: gradient descent whose step length is a secant estimate of the inverse curvature."""

from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.config import Config, PositiveFloat
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SolverKind, SolverSetup, State, Step


class BarzilaiBorweinSettings(Config):
    longest: PositiveFloat = 1000.0
    """The longest step length, as a multiple of the learning rate."""


@dataclass(frozen=True)
class BarzilaiBorwein:
    """Barzilai and Borwein 1988, equation 6. The learning rate is the first step's length, and that of steps
    along which the gradient does not grow."""

    setup: SolverSetup
    searches = False

    def begin(self, z: Tensor) -> State:
        return {"before": z.clone(), "gradient": torch.zeros_like(z)}

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss, gradient = problem.loss_and_gradient(rows)
        moved, changed = rows.z - state["before"], gradient - state["gradient"]
        curved = (moved * changed).sum(1, keepdim=True)
        rate = torch.full_like(curved, self.setup.lr or 1.0)
        secant = moved.square().sum(1, keepdim=True) / curved
        length = torch.where(curved > 0, secant, rate).minimum(rate * self.setup.settings.longest)
        state["before"].copy_(rows.z)
        state["gradient"].copy_(gradient)
        constrain = self.setup.constrain(self.searches)
        z, _ = constrain(rows.z - length * gradient, rows.ids, rows.counter)
        return Step(loss, z, passes=2)


BARZILAI_BORWEIN = SolverKind(
    BarzilaiBorwein,
    steps=500,
    patience=100,
    lr=1.0,
    settings=BarzilaiBorweinSettings,
)
