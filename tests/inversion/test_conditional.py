"""Conditional draws: a linear generator's posterior in closed form, and the figures that are reported."""

import pytest
import torch

from preimage.errors import InversionError
from preimage.inversion.conditional import FromNoise, conditional, relative_error, seen, spread
from preimage.inversion.config import InversionConfig
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.explore.job import ExploreJob
from preimage.latents.priors import Gaussian
from stores import linear_generator

DIM, SHAPE = 8, (1, 16, 16)
EXACT = InversionConfig(solver="lbfgs", whiten=False, steps=60, patience=None, init_codes="prior")
SHIPPED = ExploreJob.model_validate({"generator": "g", "store": "s"}).inversion


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def prior():
    return Gaussian(seeded(DIM, seed=1), seeded(DIM, DIM, seed=2) / 2 + torch.eye(DIM))


@pytest.fixture
def measure():
    return lambda **config: make_measurement(MeasurementConfig(**config), SHAPE)


def seen_of_linear(generator, measurement):
    """What is seen of the generator's images as a matrix (numbers, d) and an offset, float64."""
    parts = torch.stack([generator.mean, *generator.components]).detach().view(-1, *SHAPE)
    rows = measurement.observe(parts, torch.zeros(len(parts), dtype=torch.int64)).flatten(1).double()
    return rows[1:].T, rows[0]


@pytest.mark.parametrize("condition", [{"pool": 8}, {"mask": "top", "pool": 4, "rate": 0.25}])
def test_draws_of_a_linear_generator_move_by_the_least_noise_that_makes_them_agree(prior, measure, condition):
    generator, measurement = linear_generator(DIM, seed=3), measure(**condition)
    with torch.no_grad():
        images = generator(prior.sample(3, torch.Generator().manual_seed(4)))
    found = conditional(generator, images, prior, measurement, EXACT, draws=5)
    matrix, offset = seen_of_linear(generator, measurement)
    assert torch.linalg.matrix_rank(matrix) == 4  # of 8: there is something to vary
    mean, root = prior.mean.double(), prior.root.double()
    first = torch.linalg.solve(root, (found.start.double() - mean)[..., None])[..., 0]
    target = measurement.observe(images, torch.arange(3)).flatten(1).double()
    missing = target[:, None] - offset - (mean + first @ root.T) @ matrix.T
    closest = mean + (first + missing @ torch.linalg.pinv(matrix @ root).T) @ root.T
    assert torch.allclose(found.z.double(), closest, atol=2e-3)
    assert (closest - found.start).norm(dim=2).min() > 0.1


def test_draws_of_a_linear_generator_have_the_mean_and_covariance_of_its_posterior(prior, measure):
    generator, measurement, draws = linear_generator(DIM, seed=3), measure(pool=8), 2000
    with torch.no_grad():
        images = generator(prior.sample(1, torch.Generator().manual_seed(4)))
    config = EXACT.model_copy(update={"batch_size": draws, "steps": 25})
    z = conditional(generator, images, prior, measurement, config, draws).z[0].double()
    matrix, offset = seen_of_linear(generator, measurement)
    covariance = (prior.root @ prior.root.T).double()
    gain = covariance @ matrix.T @ torch.linalg.pinv(matrix @ covariance @ matrix.T, rtol=1e-9)
    target = measurement.observe(images, torch.arange(1)).flatten(1).double()[0]
    mean = prior.mean.double() + gain @ (target - offset - matrix @ prior.mean.double())
    posterior = covariance - gain @ matrix @ covariance
    error = 5 * posterior.diagonal().max() / draws**0.5
    assert torch.allclose(z.mean(0), mean, atol=float(error.sqrt() * draws**-0.25) + 2e-3)
    assert torch.allclose(z.T.cov(), posterior, atol=float(error) + 2e-3)
    assert covariance.trace() > 1.5 * posterior.trace()


@pytest.mark.parametrize("support", ["anywhere", "ball"])
def test_the_shipped_settings_agree_and_stay_various(measure, support):
    generator, measurement, ids = linear_generator(DIM, seed=3), measure(pool=8), torch.arange(3)
    prior = Gaussian(torch.zeros(DIM), 0.6 * torch.eye(DIM), support)
    with torch.no_grad():
        generator.components.mul_(5)  # to about the contrast of an image
        images = generator(prior.sample(3, torch.Generator().manual_seed(5)))
    found = conditional(generator, images, prior, measurement, SHIPPED, draws=6)
    with torch.no_grad():
        made, free = (generator(z.flatten(0, 1)).unflatten(0, (3, 6)) for z in (found.z, found.start))
    before, after = (relative_error(measurement, each, images, ids) for each in (free, made))
    assert after.max() < 0.05
    assert after.mean() < before.mean() / 50
    assert not found.diverged.any()
    share = spread(measurement, made, ids) / spread(measurement, free, ids)
    assert 0.5 < share.min() < share.max() < 1.1
    if support == "ball":
        assert found.z.norm(dim=2).max() <= 1 + 1e-5


def test_the_draws_of_an_image_are_its_own(tiny_generator, measure):
    prior, images = Gaussian(torch.zeros(4), torch.eye(4)), seeded(3, *SHAPE, seed=6).tanh()
    measurement, ids = measure(mask="random", rate=0.1), torch.tensor([7, 3, 9])
    config = SHIPPED.model_copy(update={"steps": 5})
    whole = conditional(tiny_generator, images, prior, measurement, config, 4, ids)
    alone = conditional(tiny_generator, images[1:2], prior, measurement, config, 4, ids[1:2])
    assert torch.allclose(whole.z[1:2], alone.z, atol=1e-5)
    assert torch.equal(whole.start[1:2], alone.start)
    other = conditional(tiny_generator, images, prior, measurement, config, 4, ids, seed=1)
    assert not torch.allclose(whole.start, other.start)
    assert torch.pdist(whole.start.flatten(0, 1)).min() > 0.05


def test_noise_stands_for_the_codes_that_the_gaussian_makes_of_it(tiny_generator):
    for support in ("anywhere", "ball"):
        prior, noise = Gaussian(seeded(4), seeded(4, 4, seed=1), support), seeded(5, 4, seed=2)
        with torch.no_grad():
            assert torch.equal(FromNoise(tiny_generator, prior)(noise), tiny_generator(prior.of(noise)))


def test_the_relative_error_is_that_of_what_is_seen(measure):
    images, made = seeded(2, *SHAPE), seeded(2, 3, *SHAPE, seed=1)
    ids = torch.arange(2)
    pooled = relative_error(measure(pool=8), made, images, ids)
    blocks = [x.double().unflatten(-1, (2, 8)).unflatten(-3, (2, 8)).mean((-1, -3)) for x in (made, images)]
    expected = (blocks[0] - blocks[1][:, None]).square().sum((2, 3, 4)) / blocks[1].square().sum((1, 2, 3))[
        :, None
    ]
    assert torch.allclose(pooled.double(), expected, rtol=1e-4)
    half = relative_error(measure(mask="top"), made, images, ids)
    top = (made - images[:, None])[..., :8, :].square().sum((2, 3, 4))
    assert torch.allclose(half, top / images[..., :8, :].square().sum((1, 2, 3))[:, None], rtol=1e-4)
    assert relative_error(measure(pool=8), images[:, None], images, ids).max() == 0


def test_the_spread_is_that_of_what_is_not_seen(measure):
    ids, made = torch.arange(1), seeded(1, 5, *SHAPE)
    assert spread(measure(), made, ids).item() == 0
    hidden = made[..., 8:, :].std(1).mean() / 2  # averaged over all pixels, of which half are seen
    assert spread(measure(mask="top"), made, ids).item() == pytest.approx(hidden.item(), rel=1e-5)
    level = seeded(1, 5, 1, 2, 2, seed=1).repeat_interleave(8, 3).repeat_interleave(8, 4)
    assert spread(measure(pool=8), level, ids).item() == pytest.approx(0, abs=1e-6)
    same = spread(measure(pool=8), made + level, ids) - spread(measure(pool=8), made, ids)
    assert same.item() == pytest.approx(0, abs=1e-5)
    assert spread(measure(pool=8), 2 * made, ids) == pytest.approx(
        2 * spread(measure(pool=8), made, ids).item()
    )


def test_a_random_mask_is_an_images_not_a_draws(measure):
    images, ids = torch.ones(2, 3, *SHAPE), torch.tensor([4, 5])
    shown = seen(measure(mask="random", rate=0.25), images, ids)
    assert (shown.sum((2, 3, 4)) == 64).all()
    assert torch.equal(shown[:, 0], shown[:, 2])
    assert not torch.equal(shown[0], shown[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"init_codes": "regression"}, "set init_codes=prior"),
        ({"init_codes": "prior", "restarts": 1}, "remove restarts"),
        ({"init_codes": "prior", "restart_negative": True}, "restart_negative"),
        ({"init_codes": "prior", "constraint": "ball"}, "set constraint=none"),
    ],
)
def test_settings_that_would_make_draws_alike_are_refused(tiny_generator, measure, settings, message):
    prior = Gaussian(torch.zeros(4), torch.eye(4))
    with pytest.raises(InversionError, match=message):
        conditional(tiny_generator, torch.zeros(1, *SHAPE), prior, measure(), InversionConfig(**settings), 2)
