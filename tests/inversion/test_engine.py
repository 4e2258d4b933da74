import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.inversion.optimize_for_inference import freeze
from preimage.inversion.solvers import SOLVERS as KINDS
from preimage.latents.priors import Normal
from small_nets import Expanding, Linear, seeded

SOLVERS = tuple(KINDS)
ADAM = InversionConfig(solver="adam", lr=0.05, patience=None)
LONG = ADAM.model_copy(update={"steps": 1500})


def random_images(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_a_linear_generator_is_inverted_to_the_least_squares_code():
    generator, images = Linear(), random_images(5)
    found = invert(generator, images, torch.zeros(5, 3), LONG)
    exact = torch.linalg.lstsq(generator.weight.detach().double(), images.flatten(1).T.double()).solution.T
    flat = torch.finfo(torch.float32).eps ** 0.5  # below this, a float32 loss does not tell two codes apart
    assert torch.allclose(found.z.double(), exact, atol=3 * flat)
    residual = images.flatten(1).double() - exact @ generator.weight.detach().double().T
    assert torch.allclose(found.loss.double(), residual.square().mean(1), atol=1e-6)


def test_gradient_descent_follows_its_recursion_in_float64():
    """z <- z - lr_t * 2 / P * W^T (W z - x), the learning rate halved every 5 steps."""
    generator, images = Linear(), random_images(4)
    config = InversionConfig(solver="gradient-descent", lr=0.3, lr_halving_steps=5, steps=18, patience=None)
    found = invert(generator, images, torch.zeros(4, 3), config)
    weight, target = generator.weight.detach().double(), images.flatten(1).double()
    z = last = torch.zeros(4, 3, dtype=torch.float64)
    best = None
    for step in range(18):
        error = z @ weight.T - target
        loss = error.square().mean(1)
        best = loss if best is None else torch.minimum(best, loss)
        last = z
        z = z - 0.3 * 0.5 ** (step // 5) * 2 / 16 * error @ weight
    assert torch.allclose(found.z.double(), last, atol=1e-5)
    assert torch.allclose(found.loss.double(), best, atol=1e-6)


def test_adam_is_torch_adam():
    generator, images = Linear(), random_images(1)
    found = invert(generator, images, torch.zeros(1, 3), ADAM.model_copy(update={"steps": 30}))
    z = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.Adam([z], lr=0.05)
    tried = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (generator(z) - images).square().mean()
        tried.append((loss.item(), z.detach().clone()))
        loss.backward()
        optimizer.step()
    loss, best = min(tried, key=lambda pair: pair[0])
    assert torch.allclose(found.z, best, atol=1e-5)
    assert found.loss.item() == pytest.approx(loss, rel=1e-5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    solver=st.sampled_from(SOLVERS),
    constraint=st.sampled_from(["none", "stochastic-clip"]),
    batch=st.integers(1, 12),
    patience=st.sampled_from([None, 3]),
    order=st.permutations(range(7)),
)
def test_an_image_does_not_depend_on_its_neighbours(
    tiny_generator, solver, constraint, batch, patience, order
):
    images = torch.rand(7, 1, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
    start = torch.randn(7, 4, generator=torch.Generator().manual_seed(4))
    if solver in ("gauss-newton", "lbfgs"):  # of other images their estimates of curvature amplify rounding
        with torch.no_grad():
            images = tiny_generator(start.roll(1, 0))
    config = InversionConfig(
        solver=solver, constraint=constraint, steps=8, patience=patience, min_rel_delta=0.02, restarts=1
    )
    engine = Engine(tiny_generator, config, Normal(4), started=True)
    alone = [engine.invert(images[i : i + 1], start[i : i + 1], torch.tensor([i])) for i in range(7)]
    full = config.model_copy(update={"batch_size": batch})
    other = Engine(tiny_generator, full, Normal(4), started=True)
    together = other.invert(images[order], start[order], torch.tensor(order))
    for place, i in enumerate(order):
        assert torch.allclose(together.z[place], alone[i].z[0], atol=2e-3)
        assert torch.allclose(together.loss[place], alone[i].loss[0], rtol=1e-3, atol=1e-6)


def test_codes_of_its_own_images_are_found_again(tiny_generator):
    codes = torch.randn(16, 4, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        images = tiny_generator(codes)
    start = codes + 0.1 * torch.randn(16, 4, generator=torch.Generator().manual_seed(6))
    found = invert(tiny_generator, images, start, InversionConfig(solver="levenberg-marquardt"))
    assert (found.z - codes).abs().median() < 1e-4
    assert found.loss.median() < 1e-10


def test_the_best_iterate_is_kept_not_the_last():
    generator, images = Linear(), random_images(3)
    wild = InversionConfig(solver="gradient-descent", lr=50.0, steps=20, patience=None)
    start = torch.linalg.lstsq(generator.weight.detach(), images.flatten(1).T).solution.T + 0.01
    found = invert(generator, images, start, wild)
    assert torch.equal(found.z, start)


def test_an_image_stops_of_itself_and_says_so():
    generator = Linear()
    with torch.no_grad():
        easy = generator(torch.zeros(1, 3))
    images = torch.cat([easy, random_images(1)])
    config = ADAM.model_copy(update={"steps": 40, "tolerance": 1e-12})
    found = invert(generator, images, torch.zeros(2, 3), config)
    assert found.converged.tolist() == [True, False]
    assert found.steps.tolist() == [1, 40]
    patient = invert(generator, images, torch.zeros(2, 3), LONG.model_copy(update={"patience": 20}))
    assert patient.steps[1] < 1500
    assert bool(patient.converged[1])


def test_the_users_generator_is_left_as_it_was(tiny_generator):
    tiny_generator.train()
    before = {name: value.clone() for name, value in tiny_generator.state_dict().items()}
    invert(tiny_generator, torch.zeros(2, 1, 16, 16), torch.zeros(2, 4), InversionConfig(steps=3))
    assert tiny_generator.training
    assert all(p.requires_grad and p.grad is None for p in tiny_generator.parameters())
    assert all(torch.equal(value, before[name]) for name, value in tiny_generator.state_dict().items())
    tiny_generator.eval()


def test_the_frozen_generator_makes_the_same_images_with_fewer_layers(tiny_generator):
    codes = torch.randn(8, 4, generator=torch.Generator().manual_seed(7))
    frozen = freeze(tiny_generator)
    with torch.no_grad():
        assert torch.allclose(frozen(codes), tiny_generator(codes), atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in frozen.modules())
    assert not any(p.requires_grad for p in frozen.parameters())


def test_no_images_are_no_codes():
    assert invert(Linear(), random_images(0), torch.zeros(0, 3)).z.shape == (0, 3)


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"makes images of shape \(1, 4, 4\), but these are \(1, 8, 8\)"):
        invert(Linear(), torch.zeros(2, 1, 8, 8), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"but init_codes of shape \(3, 3\)"):
        invert(Linear(), random_images(2), torch.zeros(3, 3))


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
    config = InversionConfig(solver=solver, steps=30, patience=None, batch_size=4, **rate)
    found = invert(generator, images, start, config)
    fine = torch.arange(6) != 2
    assert found.diverged.tolist() == [False, False, True, False, False, False]
    assert found.z.isfinite().all()
    assert not found.converged[2]
    alone = invert(generator, images[fine], start[fine], config, ids=torch.arange(6)[fine])
    assert torch.allclose(found.z[fine], alone.z, atol=1e-5)


def test_a_sound_search_is_preferred_to_one_that_diverged():
    """The first start has the lower loss, and its next step is where there are no images."""
    generator = Fragile()
    images = generator.inner(torch.tensor([[3.0, 0.0, 0.0]])).detach()
    start = torch.tensor([[[1.99, 0.0, 0.0], [-5.0, 0.0, 0.0]]])
    config = InversionConfig(solver="gradient-descent", lr=0.05, steps=3, patience=None)
    first, second = (invert(generator, images, start[:, i], config) for i in range(2))
    assert (first.diverged.item(), second.diverged.item()) == (True, False)
    assert first.loss < second.loss
    both = invert(generator, images, start, config)
    assert (both.restart.item(), both.diverged.item()) == (1, False)
    assert torch.equal(both.z, second.z)


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
    with pytest.raises(InversionError, match="the measurement is for 1 x 8 x 8"):
        invert(generator, images, start, measurement=make_measurement(MeasurementConfig(), (1, 8, 8)))
    with pytest.raises(InversionError, match="give init_codes, or the prior to draw them from"):
        invert(generator, images)
    with pytest.raises(InversionError, match=r"to images \(2, C, H, W\)"):
        invert(nn.Linear(3, 16), images, start)
