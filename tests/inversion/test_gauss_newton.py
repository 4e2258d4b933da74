"""Exact recovery by the cascade of regressions and Gauss-Newton with Broyden's updates."""

import pytest
import torch
from torch import nn

from preimage.errors import InversionError
from preimage.inversion import cascade
from preimage.inversion.cascade import CORRECTIONS
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.gauss_newton import DAMPING
from preimage.inversion.links import ATANH, IDENTITY, link_of
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.inversion.setup_size import MOST
from preimage.latents.priors import Normal, Uniform
from small_nets import Expanding, Linear, least_squares, seeded

CONFIG = InversionConfig(solver="gauss-newton", tolerance=1e-10)


class Tanh(nn.Module):
    """Two linear layers, ReLU between them, and a tanh that torch knows by name."""

    def __init__(self, dim: int = 6) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(dim, 40), nn.Linear(40, 64), nn.Tanh()
        with torch.no_grad():
            for layer, size in ((self.first, dim), (self.second, 40)):
                layer.weight.copy_(seeded(*layer.weight.shape) / size**0.5)
                layer.bias.copy_(seeded(len(layer.bias), seed=1) / 2)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(codes).relu())).view(len(codes), 1, 8, 8)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(Tanh(), CONFIG.model_copy(update={"init_codes": "cascade"}), Uniform(6))


def images_of(engine: Engine, count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    codes = Uniform(6).sample(count, torch.Generator().manual_seed(3))
    with torch.no_grad():
        return codes, engine.problem.network(codes)


def test_the_first_step_solves_the_damped_system():
    generator, images = Linear(), seeded(4, 1, 4, 4, seed=5)
    path = invert(generator, images, torch.ones(4, 3), CONFIG, keep=(0, 1)).kept_z.double()
    weight, target = generator.weight.detach().double(), images.flatten(1).double()
    residual = torch.ones(4, 3, dtype=torch.float64) @ weight.T - target
    damping = DAMPING * residual.square().mean(1)[:, None, None] * 16 * torch.eye(3)
    step = -torch.linalg.solve(weight.T @ weight + damping, residual @ weight)
    assert torch.allclose(path[:, 1] - path[:, 0], step, atol=1e-5)


def test_a_linear_generator_needs_one_jacobian():
    generator, codes = Linear(), seeded(5, 3, seed=1)
    images = generator(codes).detach()
    found = invert(generator, images, torch.zeros(5, 3), CONFIG)
    assert torch.allclose(found.z.double(), least_squares(generator, images), atol=1e-5)
    assert torch.equal(found.passes, found.steps + 1 + 3)  # a value a step, and once a value and 3 tangents


def test_convergence_is_superlinear_between_jacobians():
    generator, codes = Expanding(), seeded(6, 3, seed=2, law=torch.rand) * 2 - 1
    with torch.no_grad():
        images = generator(codes)
    found = invert(generator, images, codes + 0.02, CONFIG, keep=range(4))
    error = (found.kept_z - codes[:, None]).norm(dim=2)
    assert (error[:, 2] < 0.02 * error[:, 0]).all()
    assert (error[:, 3] < 1e-3 * error[:, 0]).all()


def test_a_final_tanh_is_undone():
    pixels = torch.tensor([-0.5, 0.2, 0.9], requires_grad=True)
    (slope,) = torch.autograd.grad(ATANH.value(pixels).sum(), pixels)
    assert torch.allclose(ATANH.slope(pixels.detach()), slope)
    assert ATANH.value(torch.ones(1)).isfinite()
    whole = make_measurement(MeasurementConfig(), (1, 8, 8))
    assert link_of(Tanh(), whole) is ATANH
    assert link_of(Linear(), whole) is IDENTITY


@pytest.mark.parametrize("seen", [{"operator": "gaussian", "rate": 0.5}, {"pool": 2}, {"noise": 0.01}])
def test_sums_averages_and_noisy_values_are_compared_as_they_are(seen):
    measurement = make_measurement(MeasurementConfig.model_validate(seen), (1, 8, 8))
    assert link_of(Tanh(), measurement) is IDENTITY
    codes = seeded(4, 6, seed=3)
    with torch.no_grad():
        images = Tanh()(codes)
    config = InversionConfig(solver="gauss-newton", init_codes="cascade", measurement=measurement.config)
    found = Engine(Tanh(), config, Normal(6)).invert(images, measured=False)
    assert found.loss.max() < (0.02 if "noise" in seen else 1e-8)


def test_the_cascade_starts_closer_than_a_regression_and_codes_are_exact(engine):
    codes, images = images_of(engine)
    found = engine.invert(images, keep=(0,))
    one = Engine(Tanh(), CONFIG, Uniform(6)).invert(images, keep=(0,))
    first, other = ((each.kept_z[:, 0] - codes).square().mean() for each in (found, one))
    assert first < 0.1 * other
    assert (found.z - codes).abs().max() < 1e-4
    assert engine.setup.passes == MOST * (1 + CORRECTIONS)
    assert (found.passes >= CORRECTIONS + 1 + 1 + 6).all()


def test_no_code_depends_on_the_batch(engine):
    _, images = images_of(engine)
    together = engine.invert(images)
    alone = engine.invert(images[5:6], ids=torch.tensor([5]))
    assert torch.allclose(together.z[5], alone.z[0], atol=1e-5)
    assert together.passes[5] == alone.passes[0]


def test_hidden_pixels_do_not_matter():
    measurement = {"mask": "random", "rate": 0.6}
    config = InversionConfig(solver="gauss-newton", init_codes="cascade", measurement=measurement)
    engine = Engine(Tanh(), config, Uniform(6))
    codes, images = images_of(engine, 4)
    hidden = engine.measurement.masks(torch.arange(4)) == 0
    found = engine.invert(images.masked_fill(hidden, torch.nan))
    assert (found.z - codes).abs().max() < 1e-3


def test_images_too_large_to_weight_are_said(monkeypatch, caplog):
    monkeypatch.setattr(cascade, "MOST_WEIGHTED", 63)
    Engine(Tanh(), CONFIG.model_copy(update={"init_codes": "cascade"}), Uniform(6))
    assert "an image has 64 values, more than 63, so they are compared unweighted" in caplog.text


def test_a_generator_that_is_not_finite_is_refused():
    class Root(Tanh):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return super().forward(codes) + codes[:, :1, None, None].sqrt()

    with pytest.raises(InversionError, match="cascade cannot be fitted"):
        Engine(Root(), CONFIG.model_copy(update={"init_codes": "cascade"}), Normal(6))
