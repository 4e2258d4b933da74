"""Every solver against closed forms and torch's own, and what is counted."""

import pytest
import torch

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.solvers import SOLVERS as KINDS
from preimage.latents.priors import Uniform
from preimage.objectives.lap1 import lap1
from small_nets import Expanding, Linear, least_squares, seeded

SOLVERS = sorted(KINDS)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_linear_generator_is_inverted_to_the_least_squares_code(solver):
    generator, images = Linear(), seeded(5, 1, 4, 4, seed=1)
    lr = {"gradient-descent": 0.3, "momentum": 0.05, "rmsprop": 0.01}.get(solver)
    rate = {"lr": lr, "lr_halving_steps": 500} if lr else {}
    config = InversionConfig(solver=solver, steps=3000, patience=None, **rate)
    found = invert(generator, images, torch.zeros(5, 3), config)
    flat = torch.finfo(torch.float32).eps ** 0.5  # below this, a float32 loss does not tell two codes apart
    assert torch.allclose(found.z.double(), least_squares(generator, images), atol=4 * flat)


@pytest.mark.parametrize("constraint", ["none", "clip", "stochastic-clip"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_codes_of_a_small_net_are_recovered_exactly(solver, constraint):
    generator, codes = Expanding(), seeded(8, 3, seed=2, law=torch.rand) * 2 - 1
    with torch.no_grad():
        images = generator(codes)
    rate = {"lr": 0.01, "lr_halving_steps": 400} if solver == "rmsprop" else {}
    config = InversionConfig(
        solver=solver, constraint=constraint, steps=2500, restarts=3, init_codes="prior", **rate
    )
    found = invert(generator, images, None, config, prior=Uniform(3))
    assert (found.z - codes).square().mean(1).max() < 1e-4
    assert not found.diverged.any()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_lap1_is_descended_and_reported(solver):
    generator, codes = Expanding(), seeded(6, 3, seed=17, law=torch.rand) - 0.5
    with torch.no_grad():
        images, first = generator(codes), generator(codes + 0.2)
    rate = {"lr": 0.02, "lr_halving_steps": 150} if solver == "adam" else {}
    config = InversionConfig(solver=solver, loss="lap1", steps=800, patience=None, **rate)
    found = invert(generator, images, codes + 0.2, config)
    with torch.no_grad():
        assert torch.allclose(found.loss, lap1(generator(found.z), images), rtol=1e-3, atol=1e-6)
    assert (found.loss < 0.05 * lap1(first, images)).all()


@pytest.mark.parametrize(
    ("solver", "optimizer"),
    [
        ("momentum", lambda z: torch.optim.SGD([z], lr=0.02, momentum=0.9)),
        ("rmsprop", lambda z: torch.optim.RMSprop([z], lr=0.02)),
        ("adam", lambda z: torch.optim.Adam([z], lr=0.02)),
    ],
)
def test_a_solver_takes_the_steps_of_torchs_optimizer(solver, optimizer):
    generator, images = Linear(), seeded(1, 1, 4, 4, seed=4)
    config = InversionConfig(solver=solver, lr=0.02, steps=25, patience=None)
    found = invert(generator, images, torch.zeros(1, 3), config, keep=range(25))
    z = torch.zeros(1, 3, requires_grad=True)
    stepper = optimizer(z)
    for step in range(25):
        assert torch.allclose(found.kept_z[0, step], z[0], atol=1e-5)
        stepper.zero_grad()
        loss = (generator(z) - images).square().mean()
        assert found.kept_loss[0, step].item() == pytest.approx(loss.item(), rel=1e-4)
        loss.backward()
        stepper.step()


def test_levenberg_marquardts_first_step_solves_the_damped_system():
    generator, images = Linear(), seeded(4, 1, 4, 4, seed=5)
    config = InversionConfig(solver="levenberg-marquardt", steps=3)
    path = invert(generator, images, torch.ones(4, 3), config, keep=(0, 1)).kept_z.double()
    weight, target = generator.weight.detach().double(), images.flatten(1).double()
    square = weight.T @ weight
    system = square + 1e-2 * torch.diag(square.diagonal())
    slope = (torch.ones(4, 3, dtype=torch.float64) @ weight.T - target) @ weight
    assert torch.allclose(path[:, 1] - path[:, 0], -torch.linalg.solve(system, slope.T).T, atol=1e-5)


def test_lbfgs_needs_few_steps_on_a_quadratic():
    generator, images = Linear(), seeded(6, 1, 4, 4, seed=6)
    found = invert(generator, images, torch.zeros(6, 3), InversionConfig(solver="lbfgs", steps=20))
    assert torch.allclose(found.z.double(), least_squares(generator, images), atol=2e-3)


def test_generator_evaluations_are_counted():
    generator, images = Linear(), seeded(2, 1, 4, 4, seed=7)
    adam = invert(
        generator, images, torch.zeros(2, 3), InversionConfig(solver="adam", steps=20, patience=None)
    )
    assert adam.passes.tolist() == [40, 40]
    config = InversionConfig(solver="levenberg-marquardt", steps=2)
    once = invert(generator, images[:1], torch.zeros(1, 3), config)
    assert once.passes.item() == 2 * (1 + 1 + 3)  # both steps are better: a loss, and a value with 3 tangents


def test_settings_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="finds its own step lengths"):
        InversionConfig(solver="levenberg-marquardt", lr=0.1)
    with pytest.raises(ValueError, match="minimises squares"):
        InversionConfig(solver="levenberg-marquardt", loss="lap1")
    with pytest.raises(ValueError, match="needs losses more exact than bfloat16"):
        InversionConfig(solver="lbfgs", precision="mixed")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_whitening_needs_fewer_steps_where_the_latent_space_is_stretched(solver):
    generator, images = Linear(), seeded(8, 1, 4, 4, seed=14)
    with torch.no_grad():
        generator.weight *= torch.tensor([10.0, 1.0, 0.3])
    rate = {"lr": 0.1} if solver == "adam" else {}
    plain = InversionConfig(solver=solver, steps=12, patience=None, whiten=False, **rate)
    white = plain.model_copy(update={"whiten": True})
    losses = [invert(generator, images, torch.zeros(8, 3), each).loss.mean() for each in (plain, white)]
    assert losses[1] < losses[0]


def test_mixed_precision_ends_where_float32_does(tiny_generator):
    codes = seeded(12, 4, seed=10)
    with torch.no_grad():
        images = tiny_generator(codes)
    for solver in ("adam", "levenberg-marquardt"):
        config = InversionConfig(solver=solver, steps=200, patience=None)
        start = codes + 0.2
        full = invert(tiny_generator, images, start, config)
        mixed = invert(tiny_generator, images, start, config.model_copy(update={"precision": "mixed"}))
        with torch.no_grad():  # the losses that are reported are those in float32
            assert torch.allclose(
                mixed.loss,
                (tiny_generator(mixed.z) - images).square().flatten(1).mean(1),
                rtol=0.05,
                atol=1e-9,
            )
        assert mixed.loss.median() < 3 * full.loss.median() + 1e-8


@pytest.mark.parametrize("steps", [1, 2, 5, 9])
def test_the_last_step_of_mixed_precision_is_in_float32(steps):
    generator, images = Linear(), seeded(3, 1, 4, 4, seed=18)
    config = InversionConfig(solver="adam", precision="mixed", steps=steps, patience=None)
    found = invert(generator, images, torch.zeros(3, 3), config)
    exact = (generator(found.z) - images).square().flatten(1).mean(1)
    assert torch.allclose(found.loss, exact, rtol=1e-5)
