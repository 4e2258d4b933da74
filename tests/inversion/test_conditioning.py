"""The condition of a generator, and what plain descent does on one, against closed forms."""

import pytest
import torch
from torch import nn

from preimage.inversion import conditioning as at
from preimage.inversion.conditioning import LocalRate, measure_conditioning
from preimage.inversion.config import InversionConfig, follows_local_rate
from preimage.inversion.engine import invert
from preimage.inversion.jacobian import Jacobian, JacobianTooLargeError, NoJacobianError
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from small_nets import Linear, of_singular_values, seeded

ILL = [4.0, 2.0, 0.5, 0.1]
"""Eigenvalues 1, 0.25, 1/64 and 1/1600 of J J^T / 16 pixels."""


def descent(lr=0.4, steps=200, halving=None, **settings):
    return InversionConfig(
        solver="gradient-descent", lr=lr, steps=steps, lr_halving_steps=halving, patience=None, **settings
    )


def test_of_a_linear_generator_the_eigenvalues_are_its_squared_singular_values_over_the_pixels():
    found = measure_conditioning(of_singular_values(ILL), seeded(6, 4))
    assert torch.allclose(found.values, torch.tensor(ILL).double().flip(0).square() / 16, rtol=1e-4)
    assert found.smallest == pytest.approx(1 / 1600, rel=1e-4)
    assert found.worst == pytest.approx(1 / 1600, rel=1e-4)
    assert (found.largest, found.stability_limit) == pytest.approx((1, 1), rel=1e-5)
    assert found.condition == pytest.approx(1600, rel=1e-4)


def test_it_is_of_what_is_observed():
    generator, codes = Linear(3), seeded(2, 3)
    pixels = generator.weight.detach().double().view(4, 4, 3)
    pooled = pixels.view(2, 2, 2, 2, 3).mean((1, 3)).flatten(0, 1)
    for settings, seen in (({"mask": "top"}, pixels[:2].flatten(0, 1)), ({"pool": 2}, pooled)):
        measurement = make_measurement(MeasurementConfig.model_validate(settings), (1, 4, 4))
        found = measure_conditioning(generator, codes, measurement=measurement)
        assert torch.allclose(found.values[0], torch.linalg.eigvalsh(seen.T @ seen / len(seen)), rtol=1e-5)


def test_a_random_mask_is_the_images_own():
    measurement = make_measurement(MeasurementConfig(mask="random", rate=0.5), (1, 4, 4))
    ids = torch.tensor([7, 3])
    found = measure_conditioning(Linear(2), seeded(2, 2), measurement=measurement, ids=ids)
    weight = Linear(2).weight.detach().double()
    for values, mask in zip(found.values, measurement.masks(ids).flatten(1).bool(), strict=True):
        seen = weight[mask]
        assert torch.allclose(values, torch.linalg.eigvalsh(seen.T @ seen / 8), rtol=1e-5)


@pytest.mark.parametrize("halving", [None, 60])
def test_a_descent_on_a_linear_generator_ends_where_the_local_rate_says(halving):
    generator, codes, starts = of_singular_values(ILL), seeded(8, 4), seeded(8, 4, seed=1)
    config = descent(halving=halving)
    predicted = measure_conditioning(generator, codes).predict(starts, config)
    found = invert(generator, generator(codes).detach(), starts, config)
    errors = (found.z - codes).double().square().mean(1)
    assert torch.allclose(errors, predicted.errors, rtol=1e-5)
    assert predicted.share(errors.sort().values[3:5].mean().item()) == 0.5


@pytest.mark.parametrize("halving", [None, 60, 5000])
def test_the_steps_to_a_threshold_are_the_first_that_reach_it(halving):
    codes = torch.zeros(8, 4)
    rate = measure_conditioning(of_singular_values(ILL), codes).predict(
        seeded(8, 4), descent(halving=halving)
    )
    for threshold in (1e-1, 1e-3):
        steps = rate.steps_to(threshold)
        reached = steps.isfinite()
        moves = (steps.masked_fill(~reached, 2) - 1).long()
        assert (rate.errors_after(moves)[reached] < threshold).all()
        assert (rate.errors_after((moves - 1).clamp_min(0))[reached & (moves > 0)] >= threshold).all()
        assert (rate.errors_after(torch.full((8,), 10**9))[~reached] >= threshold).all()
        assert reached.all() == (halving != 60)


def test_beyond_the_limit_nothing_is_recovered_unless_the_rate_is_halved_in_time():
    found = measure_conditioning(of_singular_values([4.0, 2.0]), torch.zeros(2, 2))
    diverging = found.predict(seeded(2, 2), descent(lr=1.05, steps=2000))
    assert diverging.share(1e9) == 0
    assert diverging.steps_to(1e-4).isinf().all()
    assert found.predict(seeded(2, 2), descent(lr=1.05, steps=2000, halving=100)).share(1e-4) == 1


def test_a_direction_that_nothing_determines_keeps_its_error_and_bounds_the_condition():
    found = measure_conditioning(of_singular_values([4.0, 0.0]), torch.zeros(3, 2))
    assert 1e12 < found.condition < 1e14
    rate = found.predict(torch.ones(3, 2), descent(steps=10**6))
    assert (rate.errors > 1e-3).all()
    assert rate.steps_to(1e-4).isinf().all()


def test_the_local_rate_is_of_plain_descent_alone():
    others = (InversionConfig(), InversionConfig(solver="momentum"), descent(whiten=True))
    assert [follows_local_rate(each) for each in (descent(), *others)] == [True, False, False, False]


def test_codes_without_a_derivative_are_left_out():
    class Broken(nn.Module):
        def forward(self, codes):
            return Linear(2)(codes.where(codes > 0, codes.sqrt()))

    codes = torch.tensor([[1.0, 1], [-1, 1], [2, 1]])
    assert torch.equal(measure_conditioning(Broken(), codes).codes, codes[::2])
    with pytest.raises(NoJacobianError, match="not finite at any code"):
        measure_conditioning(Broken(), codes[1:2])


def test_what_does_not_fit_into_memory_is_refused_before_it_is_computed(monkeypatch):
    class Wide(nn.Module):
        def forward(self, codes):
            return codes[:, :1].expand(-1, 10**5).cos().view(-1, 1, 100, 1000)[:, :, :, :100].contiguous()

    needed = 2 * (8 * 10**5 + 16 * 10**4 + 24 * 2)
    seen = []
    monkeypatch.setattr(at, "free_memory", lambda device: needed - 1)
    monkeypatch.setattr(Jacobian, "of", lambda *given: seen.append(given))
    with pytest.raises(JacobianTooLargeError, match=r"10,000 pixels by 2 .* needs 0\.0 GiB .* 0\.0 are free"):
        measure_conditioning(Wide(), torch.zeros(1, 2))
    assert not seen


def test_the_local_rate_is_a_product_over_the_schedule():
    """Against the product itself, of rates that a step has one after the other."""
    values, along = torch.tensor([[0.1, 0.4]]).double(), torch.ones(1, 2).double()
    rate = LocalRate(values, along, lr=0.9, lr_halving_steps=3, steps=9)
    factors = torch.ones(1, 2).double()
    for move in range(8):
        factors *= 1 - 2 * 0.9 * 0.5 ** (move // 3) * values
    assert torch.allclose(rate.errors, factors.square().mean(1), rtol=1e-12)
