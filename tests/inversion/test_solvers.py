"""Every solver against closed forms and torch's own; every constraint; what is counted."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from preimage.errors import InversionError
from preimage.inversion import InversionConfig, MeasurementConfig, invert, make_measurement
from preimage.inversion.config import DEFAULTS
from preimage.inversion.constraints import make_constraint, redrawn
from preimage.inversion.starts import fit_regression, measure_whitening
from preimage.latents.priors import Normal, Uniform
from preimage.objectives.lap1 import lap1

CPU = torch.device("cpu")
SOLVERS = sorted(DEFAULTS)


def seeded(*shape: int, seed: int = 0, law=torch.randn) -> torch.Tensor:
    return law(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """A generator with a known best code for every image: least squares."""

    def __init__(self, dim: int = 3, pixels: int = 16) -> None:
        super().__init__()
        self.weight = nn.Parameter(seeded(pixels, dim))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes @ self.weight.T).view(len(codes), 1, 4, 4)


class Expanding(nn.Module):
    """Two layers that make each code's image its own (partial-measurements, theorem 1)."""

    def __init__(self, dim: int = 3) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(seeded(48, dim)), nn.Parameter(seeded(64, 48, seed=1) / 7)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        hidden = torch.nn.functional.leaky_relu(codes @ self.first.T, 0.2)
        return torch.tanh(hidden @ self.second.T / 2).view(len(codes), 1, 8, 8)


def least_squares(generator: Linear, images: torch.Tensor) -> torch.Tensor:
    weight = generator.weight.detach().double()
    return torch.linalg.lstsq(weight, images.flatten(1).T.double()).solution.T


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_linear_generator_is_inverted_to_the_least_squares_code(solver):
    generator, images = Linear(), seeded(5, 1, 4, 4, seed=1)
    lr = {"gradient-descent": 0.3, "momentum": 0.05, "rmsprop": 0.01}.get(solver)
    rate = {"lr": lr, "halve_every": 500} if lr else {}
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
    rate = {"lr": 0.01, "halve_every": 400} if solver == "rmsprop" else {}
    config = InversionConfig(
        solver=solver, constraint=constraint, steps=2500, restarts=3, start="prior", **rate
    )
    found = invert(generator, images, None, config, prior=Uniform(3))
    assert (found.z - codes).square().mean(1).max() < 1e-4
    assert not found.diverged.any()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_lap1_is_descended_and_reported(solver):
    generator, codes = Expanding(), seeded(6, 3, seed=17, law=torch.rand) - 0.5
    with torch.no_grad():
        images, first = generator(codes), generator(codes + 0.2)
    rate = {"lr": 0.02, "halve_every": 150} if solver == "adam" else {}
    config = InversionConfig(solver=solver, loss="lap1", steps=800, patience=None, **rate)
    found = invert(generator, images, codes + 0.2, config)
    with torch.no_grad():
        assert torch.allclose(found.loss, lap1(generator(found.z), images), rtol=1e-3, atol=1e-6)
    assert (found.loss < 0.05 * lap1(first, images)).all()


@pytest.mark.parametrize("solver", ["lbfgs", "levenberg-marquardt", "adam"])
def test_codes_stay_in_the_ball(solver):
    generator, images = Linear(), 5 * seeded(4, 1, 4, 4, seed=3)
    found = invert(generator, images, torch.zeros(4, 3), InversionConfig(solver=solver, constraint="ball"))
    assert (found.z.norm(dim=1) <= 1 + 1e-6).all()
    assert (least_squares(generator, images).norm(dim=1) > 1).any()


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


def test_a_linear_regression_finds_the_codes_of_a_linear_generator():
    generator, codes = Linear(), seeded(5, 3, seed=8, law=torch.rand) * 2 - 1
    regression = fit_regression(generator, Uniform(3), 0, CPU)
    found = regression(generator(codes).detach())
    assert (found - codes).abs().max() < 0.1  # the ridge shrinks it a little
    found = invert(generator, generator(codes).detach(), prior=Uniform(3), keep=(0,))
    assert (found.kept_z[:, 0] - codes).abs().max() < 0.1


def test_whitened_coordinates_make_the_loss_as_steep_in_all_directions():
    generator = Linear()
    with torch.no_grad():
        generator.weight *= torch.tensor([10.0, 1.0, 0.3])
    whitening = measure_whitening(generator, Normal(3), 0, CPU)
    before = torch.linalg.cond(generator.weight.detach())
    after = torch.linalg.cond(generator.weight.detach() @ whitening)
    assert before > 20
    assert after < before / 3
    assert whitening.square().sum().item() == pytest.approx(3, rel=1e-4)
    assert torch.allclose(whitening, whitening.T, atol=1e-6)


@settings(deadline=None)
@given(
    scale=st.floats(0.1, 5),
    seed=st.integers(0, 2**31 - 1),
    count=st.integers(0, 20),
    counter=st.integers(0, 2**40),
)
def test_stochastic_clipping_redraws_what_left_the_box_and_nothing_else(scale, seed, count, counter):
    z, ids = scale * seeded(count, 50, seed=seed), torch.arange(count)
    at = torch.full((count,), counter)
    found, drawn = make_constraint("stochastic-clip", seed)(z, ids, at)
    outside = z.abs() > 1
    assert torch.equal(drawn, outside)
    assert torch.equal(found[~outside], z[~outside])
    assert (found.abs() <= 1).all()
    values = found[outside]
    assert len(values.unique()) > 0.99 * len(values) - 1  # each by itself, no draw shared
    again, _ = make_constraint("stochastic-clip", seed)(z.flip(0), ids.flip(0), at)
    assert torch.equal(again.flip(0), found)


def test_redrawn_components_are_uniform():
    z = redrawn(
        torch.zeros(500, 40),
        torch.ones(500, 40, dtype=torch.bool),
        3,
        torch.arange(500),
        torch.zeros(500, dtype=torch.int64),
    )
    assert z.mean().abs() < 0.02
    assert z.std().item() == pytest.approx(3**-0.5, rel=0.02)
    assert torch.corrcoef(z.T).fill_diagonal_(0).abs().max() < 0.25


def test_moments_of_a_redrawn_component_are_forgotten():
    """Steps of rmsprop from one point are all equal in size at first; so is the step after a redraw."""
    generator, images = Linear(), 100 * torch.ones(1, 1, 4, 4)
    config = InversionConfig(solver="rmsprop", lr=0.05, steps=60, patience=None, constraint="stochastic-clip")
    path = invert(generator, images, torch.zeros(1, 3), config, keep=range(60)).kept_z[0]
    moves = path.diff(dim=0).abs()
    first = moves[0].max()
    jumped = moves > 3 * first
    assert jumped.any()
    after = moves[1:][jumped[:-1] & ~jumped[1:]]
    assert torch.allclose(after, first.expand_as(after), rtol=0.05)


@pytest.mark.parametrize("constraint", ["clip", "stochastic-clip", "ball"])
def test_a_constraint_that_contradicts_the_prior_is_refused(constraint):
    config = InversionConfig(solver="adam", constraint=constraint, start="prior")
    with pytest.raises(InversionError, match=f"constraint={constraint} .* normal prior"):
        invert(Linear(), torch.zeros(1, 1, 4, 4), None, config, prior=Normal(3))


def test_settings_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="finds its own step lengths"):
        InversionConfig(solver="levenberg-marquardt", lr=0.1)
    with pytest.raises(ValueError, match="minimises squares"):
        InversionConfig(solver="levenberg-marquardt", loss="lap1")
    with pytest.raises(ValueError, match="too fine for bfloat16"):
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


def test_of_several_starts_the_best_is_kept():
    generator, codes = Expanding(), seeded(4, 3, seed=9, law=torch.rand) - 0.5
    with torch.no_grad():
        images = generator(codes)
    start = torch.stack([codes + 3, codes + 1e-3, codes - 3], dim=1)
    config = InversionConfig(solver="gradient-descent", lr=0.01, steps=3, tolerance=1e-12)
    found = invert(generator, images, start, config)
    assert found.restart.tolist() == [1] * 4
    assert found.steps.tolist() == [9] * 4
    assert (found.z - codes).abs().max() < 1e-2


def test_the_negative_of_what_was_found_is_tried():
    """An image that is nearly even in z: descent finds -z as easily as z, and only z is exact."""

    class NearlyEven(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.stack([self.scale * z[:, 0] ** 2, 0.3 * z[:, 0]], 1).view(-1, 1, 1, 2)

    config = InversionConfig(solver="gradient-descent", lr=0.1, steps=300, tolerance=1e-10)
    images = NearlyEven()(torch.tensor([[1.0]])).detach()
    alone = invert(NearlyEven(), images, torch.tensor([[-0.8]]), config)
    found = invert(
        NearlyEven(), images, torch.tensor([[-0.8]]), config.model_copy(update={"restart_negative": True})
    )
    assert alone.z.item() < 0
    assert found.z.item() == pytest.approx(1, abs=1e-3)
    assert found.restart.item() == 1


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


class Fragile(nn.Module):
    """Codes with a first component above 2 give no image."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Linear()

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.where(codes[:, :1, None, None] > 2, torch.nan, self.inner(codes))


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_image_that_diverges_is_reported_and_spoils_no_neighbour(solver):
    generator, images = Fragile(), seeded(6, 1, 4, 4, seed=11)
    start = torch.zeros(6, 3)
    start[2] = 5
    rate = {"lr": 0.1} if solver == "gradient-descent" else {}
    config = InversionConfig(solver=solver, steps=30, patience=None, batch=4, **rate)
    found = invert(generator, images, start, config)
    fine = torch.arange(6) != 2
    assert found.diverged.tolist() == [False, False, True, False, False, False]
    assert found.z.isfinite().all()
    assert not found.converged[2]
    alone = invert(generator, images[fine], start[fine], config, ids=torch.arange(6)[fine])
    assert torch.allclose(found.z[fine], alone.z, atol=1e-5)


def test_what_is_kept_after_the_end_is_the_best_code():
    generator = Linear()
    with torch.no_grad():
        images = generator(torch.zeros(1, 3))
    config = InversionConfig(solver="adam", steps=10, tolerance=1e-12)
    found = invert(generator, images, torch.zeros(1, 3), config, keep=(0, 5, 10))
    assert found.steps.item() == 1
    assert torch.equal(found.kept_z[0], found.z.expand(3, 3))


def test_hidden_pixels_do_not_matter_and_may_be_missing():
    generator, codes = Expanding(), seeded(6, 3, seed=12, law=torch.rand) - 0.5
    with torch.no_grad():
        images = generator(codes)
    images[:, :, 4:] = torch.nan
    config = InversionConfig(solver="levenberg-marquardt", measurement=MeasurementConfig(mask="top"))
    found = invert(generator, images, torch.zeros(6, 3), config)
    assert (found.z - codes).abs().max() < 1e-3


def test_images_already_pooled_are_taken_as_they_are():
    generator, codes = Expanding(), seeded(6, 3, seed=13, law=torch.rand) - 0.5
    with torch.no_grad():
        images = generator(codes)
    config = InversionConfig(solver="levenberg-marquardt", measurement=MeasurementConfig(pool=2))
    whole = invert(generator, images, torch.zeros(6, 3), config)
    pooled = invert(generator, torch.nn.functional.avg_pool2d(images, 2), torch.zeros(6, 3), config)
    assert torch.equal(whole.z, pooled.z)
    assert (whole.z - codes).abs().max() < 1e-3


def test_what_cannot_be_inverted_is_refused_before_any_step():
    generator, images, start = Linear(), torch.zeros(3, 1, 4, 4), torch.zeros(3, 3)
    bad = images.clone()
    bad[1, 0, 2, 2] = torch.nan
    with pytest.raises(InversionError, match="image 7 holds a value that is not finite"):
        invert(generator, bad, start, ids=torch.tensor([5, 7, 9]))
    with pytest.raises(InversionError, match="the measurement is of 1 x 8 x 8"):
        invert(generator, images, start, measurement=make_measurement(MeasurementConfig(), (1, 8, 8)))
    with pytest.raises(InversionError, match="the prior that they are drawn from"):
        invert(generator, images)
    with pytest.raises(InversionError, match=r"makes images \(2, C, H, W\)"):
        invert(nn.Linear(3, 16), images, start)


def test_a_generator_that_breaks_for_some_codes_still_gives_starts():
    """Of the images that the regression and the whitening look at, some are not finite."""

    class Holed(Linear):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return torch.where(codes[:, :1, None, None] > 1.5, torch.nan, super().forward(codes))

    generator, codes = Holed(), seeded(5, 3, seed=15, law=torch.rand)
    found = invert(generator, generator(codes).detach(), prior=Normal(3))
    assert (found.z - codes).abs().max() < 1e-2
    assert not found.diverged.any()

    class Broken(Linear):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return super().forward(codes) * torch.nan

    with pytest.raises(InversionError, match="only 0 are finite"):
        invert(Broken(), torch.zeros(2, 1, 4, 4), prior=Normal(3))


def test_a_sound_search_is_preferred_to_one_that_diverged():
    generator, images = Fragile(), 9 * seeded(1, 1, 4, 4, seed=16)
    start = torch.tensor([[[1.999, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    config = InversionConfig(solver="gradient-descent", lr=0.01, steps=1, patience=None)
    wild = config.model_copy(update={"lr": 1e6, "steps": 2})
    assert invert(generator, images, start[:, 0], wild).diverged.item()
    both = invert(generator, images, start, config)
    assert not both.diverged.item()
