"""Linear operators as measurements: what they are, and what is recovered through them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.func import jvp, vmap

from preimage.errors import InversionError
from preimage.inversion import gaussian_operator
from preimage.inversion.conditioning import measure_conditioning
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.inversion.operator_checks import checked
from preimage.inversion.operators import LinearOperator
from preimage.jobs.invert.job import InvertJob
from preimage.jobs.registry import plugins_of
from preimage.latents.priors import Normal
from small_nets import Expanding, Linear, seeded

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)
SOLVERS = ["lbfgs", "levenberg-marquardt"]


def gaussian(rate, shape=SHAPE, seed=0, **config):
    return make_measurement(MeasurementConfig(operator="gaussian", rate=rate, **config), shape, seed)


def spectrum(images):
    """Some of the Fourier coefficients, as an operator of torch."""
    return torch.view_as_real(torch.fft.rfft2(images, norm="ortho")[..., :3]).flatten(1)


def numpy_spectrum(images):
    found = np.fft.rfft2(images, norm="ortho")[..., :3]
    return np.stack([found.real, found.imag], -1).reshape(len(images), -1)


def numpy_adjoint(seen):
    pairs = seen.reshape(len(seen), 1, 8, 3, 2)
    whole = np.zeros((len(seen), 1, 8, 8), complex)
    whole[..., :3] = pairs[..., 0] + 1j * pairs[..., 1]
    return np.fft.ifft2(whole, norm="ortho").real


NUMPY = LinearOperator.of_numpy(numpy_spectrum, numpy_adjoint)


@settings(deadline=None, max_examples=20)
@given(rate=st.floats(0.05, 1), channels=st.sampled_from([1, 3]), seed=st.integers(0, 2**31 - 1))
def test_a_gaussian_matrix_is_linear_and_its_entries_have_their_variance(rate, channels, seed):
    shape = channels, 8, 8
    measurement = gaussian(rate, shape, seed)
    rows = round(rate * channels * 64)
    assert measurement.operator
    assert measurement.reduced == checked(measurement.operator, shape, CPU) == (rows,)
    matrix = measurement.reduce(torch.eye(channels * 64).view(-1, *shape)).T
    assert matrix.var().item() == pytest.approx(1 / rows, abs=6 / rows * math.sqrt(2 / matrix.numel()))
    assert torch.equal(
        matrix, gaussian(rate, shape, seed).reduce(torch.eye(len(matrix.T)).view(-1, *shape)).T
    )


def test_a_lower_rate_has_the_first_rows_of_a_higher_one():
    images = seeded(2, *SHAPE)
    less, more = (gaussian(rate).reduce(images) * rows**0.5 for rate, rows in ((0.25, 16), (0.5, 32)))
    assert torch.allclose(less, more[:, :16], atol=1e-5)
    assert not torch.allclose(less, gaussian(0.25, seed=1).reduce(images) * 4, atol=0.1)


def test_every_image_is_measured_by_itself_with_noise_of_its_variance():
    images, ids = seeded(300, *SHAPE), torch.arange(300)
    measurement = gaussian(0.5, noise=0.25)
    seen = measurement.observe(images, ids)
    assert torch.allclose(measurement.observe(images[3:4], ids[3:4]), seen[3:4], atol=1e-5)
    noise = seen - gaussian(0.5).observe(images, ids)
    assert noise.var().item() == pytest.approx(0.25, abs=5 * 0.25 * math.sqrt(2 / noise.numel()))
    assert measurement.observe(images[:0], ids[:0]).shape == (0, 32)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own call
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), count=st.integers(1, 4))
def test_the_derivatives_of_an_operator_with_an_adjoint_are_those_of_torch(seed, count):
    images, along = seeded(2, count, *SHAPE, seed=seed)
    weights = seeded(count, 48, seed=seed + 1)
    for function in (spectrum, NUMPY):
        leaf = images.clone().requires_grad_()
        (back,) = torch.autograd.grad(function(leaf), leaf, weights)
        assert torch.allclose(back, LinearOperator(spectrum).transposed(weights, SHAPE), atol=1e-5)
        forward = jvp(function, (images,), (along,))[1]
        assert torch.allclose(forward, spectrum(along), atol=1e-5)
    several = torch.stack([images, along], 1)
    together = vmap(NUMPY, in_dims=1)(several)
    assert torch.allclose(together, torch.stack([spectrum(images), spectrum(along)]), atol=1e-5)


def test_a_linear_generators_code_is_the_least_squares_of_what_is_observed():
    generator, codes = Linear(), seeded(5, 3, seed=3)
    with torch.no_grad():
        images = generator(codes) + 0.03 * seeded(5, 1, 4, 4, seed=2)
    measurement = gaussian(0.5, (1, 4, 4))
    matrix = measurement.reduce(torch.eye(16).view(16, 1, 4, 4)).T.double()
    weight = matrix @ generator.weight.detach().double()
    best = torch.linalg.lstsq(weight, matrix @ images.flatten(1).T.double()).solution.T
    assert (best - codes).abs().amax(1).min() > 5e-3  # the noise is seen, and losses leave digits for steps
    for solver in SOLVERS:
        config = InversionConfig(solver=solver, measurement=measurement.config)
        found = invert(generator, images, torch.zeros(5, 3), config)
        assert torch.allclose(found.z.double(), best, atol=1e-4)
    values = measure_conditioning(generator, torch.zeros(1, 3), measurement=measurement).values[0]
    assert torch.allclose(values, torch.linalg.eigvalsh(weight.T @ weight) / 8, rtol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_codes_are_recovered_from_a_few_gaussian_measurements(solver):
    """From 10 numbers of an image of 64, made of codes of 3 components; the images given, or their y."""
    generator, codes = Expanding(), seeded(6, 3, seed=5) / 2
    with torch.no_grad():
        images = generator(codes)
    config = InversionConfig(solver=solver, measurement=MeasurementConfig(operator="gaussian", rate=10 / 64))
    found = invert(generator, images, config=config, prior=Normal(3))
    assert (found.z - codes).square().mean() < 1e-9
    y = make_measurement(config.measurement, SHAPE).reduce(images)
    again = invert(generator, y, config=config, prior=Normal(3), measured=True)
    assert torch.allclose(again.z, found.z, atol=1e-5)
    alone = invert(generator, y[2:3], config=config, prior=Normal(3), ids=torch.tensor([2]))
    assert torch.allclose(alone.z, found.z[2:3], atol=1e-4)
    noisy = InversionConfig(measurement=MeasurementConfig(operator="gaussian", rate=10 / 64, noise=0.1))
    with pytest.raises(InversionError, match=r"measurement\.noise would be added to observations"):
        invert(generator, y, config=noisy, prior=Normal(3))


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_operator_of_numpy_does_what_the_same_of_torch_does(solver):
    generator = Expanding()
    with torch.no_grad():
        images = generator(seeded(4, 3, seed=5) / 2)
    config = InversionConfig(solver=solver)
    mine, theirs = (
        invert(generator, images, config=config, prior=Normal(3), measurement=each)
        for each in (NUMPY, LinearOperator(spectrum))
    )
    assert torch.allclose(mine.z, theirs.z, atol=1e-4)
    assert mine.loss.max() < 1e-8


def blur(images):
    return (images + images.roll(1, -1)) / 2


def test_observations_of_the_images_shape_are_told_from_images():
    generator = Expanding()
    with torch.no_grad():
        images = generator(seeded(4, 3, seed=5) / 2)
    settings = {"prior": Normal(3), "measurement": LinearOperator(blur)}
    with pytest.raises(InversionError, match="pass measured=True for observations, measured=False for"):
        invert(generator, images, **settings)
    found = invert(generator, images, **settings, measured=False)
    again = invert(generator, blur(images), **settings, measured=True)
    assert torch.allclose(found.z, again.z, atol=1e-5)
    assert found.loss.max() < 1e-9
    with pytest.raises(InversionError, match=r"but these are \(5,\)"):
        invert(generator, torch.zeros(4, 5), **settings)
    config = InversionConfig(measurement=MeasurementConfig(pool=2))
    with pytest.raises(InversionError, match="measured=False, but images of shape .* are observations here"):
        invert(generator, torch.zeros(4, 1, 4, 4), config=config, prior=Normal(3), measured=False)


def test_what_is_shown_of_an_operator_is_its_adjoint_at_the_best_scale():
    images, ids = seeded(3, *SHAPE), torch.arange(3)
    shown = gaussian(0.5).shown(images, ids)
    assert shown.shape == images.shape
    whole = make_measurement(MeasurementConfig(), SHAPE, operator=LinearOperator(lambda x: 5 * x))
    assert torch.allclose(whole.shown(images, ids), images, atol=1e-5)


def black_top(images):
    images[:, :, :4] = 0  # linear, and its own adjoint
    return images


BAD = {
    "is not linear: A.2 x -3 y. differs": LinearOperator(torch.relu),
    "is not linear: A.1000 x": LinearOperator(lambda x: x.clamp(-100, 100)),
    "is affine, not linear: A.0. is 0.7 of": LinearOperator(lambda x: x + 1),
    "observes nothing": LinearOperator(lambda x: 0 * x),
    "does not take images .3, 1, 8, 8.: mm: mat1": LinearOperator(lambda x: x.flatten(1) @ seeded(9, 2)),
    "real numbers, .*complex128: return": LinearOperator(torch.fft.fft2),
    "real numbers, .* ndarray: return": LinearOperator(lambda x: x.numpy()),
    "a row of numbers for each image": LinearOperator(lambda x: x.sum()),
    "observation has the shape .4,., but of": LinearOperator(lambda x: x.flatten(1), observed=(4,)),
    "not finite": LinearOperator(lambda x: x / 0),
    "the same shape in any batch": LinearOperator(lambda x: x.flatten(1)[:, : len(x)]),
    "alone and among others": LinearOperator(lambda x: x - x.mean(0)),
    "operator changes in place": LinearOperator.of_numpy(black_top, black_top),
    "adjoint changes in place": LinearOperator(lambda x: x * 1, lambda y: y.mul_(2)),
    "torch cannot differentiate": LinearOperator(lambda x: torch.from_numpy(x.detach().numpy() * 2)),
    "that torch derives does not agree": LinearOperator(lambda x: x + x.detach().flip(3)),
    "given does not agree .* 0.001 .A x. .y. apart": LinearOperator(lambda x: x, lambda y: 1.001 * y),
    "given does not agree .* Correct it": LinearOperator(lambda x: x.roll(1, 3), lambda y: y.roll(1, 3)),
    "must return images .3, 1, 8, 8. for observ": LinearOperator(lambda x: x.flatten(1), lambda y: y),
}


@pytest.mark.parametrize("reason", BAD)
def test_what_is_no_linear_operator_is_refused_before_any_step(reason):
    with pytest.raises(InversionError, match=reason):
        invert(Expanding(), torch.zeros(2, *SHAPE), torch.zeros(2, 3), measurement=BAD[reason])


def test_an_operator_with_constants_of_float32_is_tried_in_float32():
    weight = seeded(64, 5)
    operator = LinearOperator(lambda x: x.flatten(1) @ weight, lambda y: (y @ weight.T).view(-1, *SHAPE))
    assert checked(operator, SHAPE, CPU) == (5,)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"operator": "gaussian"}, "operator=gaussian needs a rate, the fraction of observed numbers"),
        ({"operator": "gaussian", "rate": 0.5, "mask": "top"}, "measures whole images: remove mask and pool"),
        ({"operator": "gaussian", "rate": 0.5, "pool": 2}, "measures whole images: remove mask and pool"),
        ({"operator": "gausian", "rate": 0.5}, "no such operator.*gaussian"),
        ({"operator": "gaussian", "rate": 0.5, "operator_settings": {"a": 1}}, "no settings of its own"),
        ({"operator_settings": {"a": 1}}, "operator_settings are an operator's: name it, or remove them"),
    ],
)
def test_configs_of_operators_that_mean_nothing_are_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        MeasurementConfig(**config)


def mean_of_pixels(images, targets):
    return (images - targets).square().mean((1, 2, 3))


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (
            {"loss": "lap1"},
            {"measurement": NUMPY},
            "lap1 compares images, but the operator's obs.* are 48 num",
        ),
        ({}, {"measurement": NUMPY, "loss": mean_of_pixels}, "does not take what is observed, 48 numbers an"),
        (
            {"measurement": {"operator": "gaussian", "rate": 0.5}},
            {"measurement": NUMPY},
            "your own operator takes the place of 'gaussian'",
        ),
        (
            {"measurement": {"mask": "top"}},
            {"measurement": NUMPY},
            "an operator measures whole images: remove mask and pool",
        ),
    ],
)
def test_what_does_not_fit_an_operator_is_refused(config, given, message):
    made = InversionConfig.model_validate(config)
    with pytest.raises(InversionError, match=message):
        invert(Expanding(), torch.zeros(2, *SHAPE), torch.zeros(2, 3), made, **given)


def test_a_gaussian_matrix_without_rows_or_memory_is_refused(monkeypatch):
    with pytest.raises(InversionError, match="observes nothing of 1 x 8 x 8 images: give a rate of at least"):
        gaussian(0.001)
    monkeypatch.setattr(gaussian_operator, "free_memory", lambda: 4 * 32 * 64 - 1)
    with pytest.raises(InversionError, match=r"matrix of 32 x 64 numbers, .* GiB, but .* GiB of memory are"):
        gaussian(0.5)
    monkeypatch.setattr(gaussian_operator, "free_memory", lambda: 4 * 32 * 64)
    gaussian(0.5)


EXTRA = """
import torch
from preimage.config import Config
from preimage.inversion.operators import LinearOperator, OperatorKind

class Settings(Config):
    axis: int = -1

def make(setup):
    axis = setup.settings.axis
    return LinearOperator(lambda x: x.diff(dim=axis))

DIFFERENCES = OperatorKind(make, settings=Settings)
SQUARES = OperatorKind(lambda setup: LinearOperator(torch.square))
"""


def test_a_plugins_operator_is_named_in_a_spec_and_checked_before_work_starts(plug):
    things = {"differences": "preimage_extra:DIFFERENCES", "squares": "preimage_extra:SQUARES"}
    plug({"operators": things}, EXTRA)
    spec = {"operator": "differences", "operator_settings": {"axis": -2}}
    job = InvertJob.model_validate({"generator": "g", "inversion": {"measurement": spec}})
    assert plugins_of(job) == {"preimage-extra": "1.2"}
    assert job.inversion.measurement.model_dump()["operator_settings"] == {"axis": -2}
    measurement = make_measurement(job.inversion.measurement, SHAPE)
    images = seeded(2, *SHAPE)
    assert measurement.reduced == (1, 7, 8)
    assert torch.equal(measurement.reduce(images), images[:, :, 1:] - images[:, :, :-1])
    with pytest.raises(InversionError, match="is not linear"):
        make_measurement(MeasurementConfig(operator="squares"), SHAPE)
