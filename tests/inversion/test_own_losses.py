"""Losses and solvers of a user's own."""

import pytest
import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import State, Step
from preimage.latents.priors import Normal
from small_nets import Expanding, Linear, seeded


def images_of(generator: nn.Module, count: int = 4) -> Tensor:
    with torch.no_grad():
        return generator(seeded(count, 3, seed=5) / 2)


class Squares(nn.Module):
    """A user's loss, with weights and a mode of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.drop = nn.Parameter(torch.ones(1)), nn.Dropout(0.5)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        return self.drop(self.scale * (images - targets)).square().mean((1, 2, 3))


def squares(images: Tensor, targets: Tensor) -> Tensor:
    return (images - targets).square().mean((1, 2, 3))


@pytest.mark.parametrize("loss", [squares, Squares()], ids=["function", "module"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_loss_of_ones_own_does_what_the_built_in_does(loss, solver):
    generator, images = Expanding(), images_of(Expanding())
    config = InversionConfig(solver=solver, steps=12, patience=None)
    mine = invert(generator, images, config=config, prior=Normal(3), loss=loss)
    built_in = invert(generator, images, config=config, prior=Normal(3))
    assert torch.allclose(mine.z, built_in.z, atol=1e-4)
    assert torch.allclose(mine.loss, built_in.loss, rtol=1e-3, atol=1e-8)


LOSSES = {
    "one number per image": nn.MSELoss(),
    "no gradient": lambda images, targets: squares(images.detach(), targets),
    "not finite": lambda images, targets: images.log().sum((1, 2, 3)),
}


@pytest.mark.parametrize("reason", LOSSES)
def test_a_loss_that_cannot_be_minimised_is_refused(reason):
    with pytest.raises(InversionError, match=reason):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), loss=LOSSES[reason])


def test_levenberg_marquardt_takes_no_loss_of_ones_own():
    config = InversionConfig(solver="levenberg-marquardt")
    with pytest.raises(InversionError, match="minimises squares only"):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), config, loss=squares)


class Signs:
    """A user's solver: steps of a fixed length against each component's sign."""

    searches = False

    def begin(self, z: Tensor) -> State:
        return {"length": torch.full_like(z, 0.1)}

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss, gradient = problem.loss_and_gradient(rows)
        z = rows.z - state["length"] * gradient.sign()
        state["length"] *= 0.9
        return Step(loss, z, 2)


def test_a_solver_of_ones_own_is_followed():
    generator, images = Linear(), torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    config = InversionConfig(steps=7, patience=None, batch_size=2)
    found = invert(generator, images, torch.zeros(5, 3), config, solver=Signs(), keep=(6,))
    z, length = torch.zeros(5, 3), 0.1
    for _ in range(6):
        error = z @ generator.weight.T - images.flatten(1)
        z, length = z - length * (error @ generator.weight).sign(), length * 0.9
    assert torch.allclose(found.kept_z[:, 0], z.detach(), atol=1e-6)
    assert found.passes.tolist() == [14] * 5
    with pytest.raises(InversionError, match="constraint=clip is for the solvers that have names"):
        Engine(generator, InversionConfig(constraint="clip"), Normal(3), started=True, solver=Signs())
    with pytest.raises(InversionError, match="a solver needs `searches`, `begin` and `step`"):
        Engine(generator, config, Normal(3), solver=object())  # pyright: ignore[reportArgumentType]
