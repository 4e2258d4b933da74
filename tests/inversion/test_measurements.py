import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from preimage.errors import InversionError
from preimage.inversion.masks import HALVES
from preimage.inversion.measurements import MeasurementConfig, make_measurement

SHAPE = (3, 8, 12)
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def measure(shape=SHAPE, seed=0, **config):
    return make_measurement(MeasurementConfig(**config), shape, seed)


def masks_of(ids, shape=SHAPE, seed=0, **config):
    masks = measure(shape, seed, **config).masks(torch.as_tensor(ids))
    assert masks is not None
    return masks


def some_images(count, shape=SHAPE):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def picture(path, values):
    Image.frombytes("L", (len(values[0]), len(values)), bytes(v for row in values for v in row)).save(path)
    return str(path)


rates = st.floats(0.02, 1)
sides = st.integers(1, 5).map(lambda half: 2 * half)
lists_of_ids = st.lists(st.integers(0, 2**62), min_size=1, max_size=6, unique=True)


@settings(deadline=None, max_examples=40)
@given(rate=rates, height=sides, width=sides, pool=st.sampled_from([1, 2]), ids=lists_of_ids)
def test_a_random_mask_sees_exactly_so_many_pixels(rate, height, width, pool, ids):
    config = MeasurementConfig(mask="random", rate=rate, pool=pool)
    pixels = height * width // pool**2
    if round(rate * pixels) == 0:
        with pytest.raises(InversionError, match="observes none"):
            make_measurement(config, (1, height, width))
        return
    masks = make_measurement(config, (1, height, width)).masks(torch.tensor(ids))
    assert masks.shape == (len(ids), 1, height // pool, width // pool)
    assert masks.dtype == torch.float32
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    assert masks.sum(dim=(1, 2, 3)).tolist() == [round(rate * pixels)] * len(ids)


@settings(deadline=None, max_examples=40)
@given(ids=lists_of_ids, seed=st.integers(0, 2**31 - 1), order=st.randoms())
def test_masks_and_noise_follow_from_seed_and_id_alone(ids, seed, order):
    measurement = measure(mask="random", rate=0.4, noise=0.1, seed=seed)
    images = dict(zip(ids, some_images(len(ids)), strict=True))
    shuffled = ids[:]
    order.shuffle(shuffled)
    masks = masks_of(shuffled, mask="random", rate=0.4, seed=seed)
    seen = measurement.observe(torch.stack([images[each] for each in shuffled]), torch.tensor(shuffled))
    for place, each in enumerate(shuffled):
        alone = torch.tensor([each])
        assert torch.equal(masks[place : place + 1], measurement.masks(alone))
        assert torch.equal(seen[place : place + 1], measurement.observe(images[each][None], alone))


def test_another_seed_or_id_gives_another_mask():
    masks = masks_of(range(50), mask="random", rate=0.5)
    assert len(masks.flatten(1).unique(dim=0)) == 50
    assert not torch.equal(masks, masks_of(range(50), mask="random", rate=0.5, seed=1))


@settings(deadline=None, max_examples=40)
@given(low=rates, high=rates)
def test_a_higher_rate_sees_what_a_lower_one_saw(low, high):
    low, high = sorted((low, high))
    less, more = (masks_of(range(3), mask="random", rate=rate) for rate in (low, high))
    assert (less <= more).all()


def test_every_pixel_is_as_likely_to_be_seen():
    count, rate = 4000, 0.25
    share = masks_of(range(count), mask="random", rate=rate).mean(0)
    assert (share - rate).abs().max() < 5 * math.sqrt(rate * (1 - rate) / count)


@settings(deadline=None, max_examples=40)
@given(half=st.sampled_from(HALVES), rate=rates)
def test_a_part_sees_its_rate_of_rows_or_columns_from_its_side(half, rate):
    dim = 0 if half in ("top", "bottom") else 1
    count = round(rate * SHAPE[1 + dim])
    if count == 0:
        return
    mask = masks_of([7], mask=half, rate=rate)[0, 0]
    lines = mask.amax(1 - dim)
    assert torch.equal(lines, mask.amin(1 - dim))
    expected = [1.0] * count + [0.0] * (SHAPE[1 + dim] - count)
    assert lines.tolist() == (expected if half in ("top", "left") else expected[::-1])


@settings(deadline=None, max_examples=40)
@given(half=st.sampled_from(HALVES), eighths=st.integers(1, 3))
def test_opposite_parts_are_complements(half, eighths):
    rate = eighths / 4  # a whole number of rows and of columns
    both = masks_of(range(3), mask=half, rate=rate) + masks_of(range(3), mask=OPPOSITE[half], rate=1 - rate)
    assert torch.equal(both, torch.ones(3, 1, 8, 12))


def test_a_half_is_a_half():
    for half in HALVES:
        assert masks_of([0], mask=half).sum() == 8 * 12 / 2
        assert MeasurementConfig(mask=half) == MeasurementConfig(mask=half, rate=0.5)


@settings(deadline=None, max_examples=40)
@given(
    mask=st.sampled_from(["random", *HALVES]),
    rate=st.floats(0.3, 0.8),
    pool=st.sampled_from([1, 2, 4]),
    noise=st.sampled_from([0.0, 0.3]),
)
def test_nothing_of_a_hidden_pixel_shows(mask, rate, pool, noise):
    measurement = measure(mask=mask, rate=rate, pool=pool, noise=noise)
    ids, images = torch.arange(4), some_images(4)
    hidden_there = 1 - masks_of(range(4), mask=mask, rate=rate, pool=pool)
    hidden = hidden_there.repeat_interleave(pool, 2).repeat_interleave(pool, 3).bool()
    for junk in (torch.nan, torch.inf, 1e30):
        spoilt = torch.where(hidden, junk, images)
        assert torch.equal(measurement.observe(spoilt, ids), measurement.observe(images, ids))
    assert (measurement.observe(images, ids) * hidden_there == 0).all()


@settings(deadline=None, max_examples=40)
@given(mask=st.sampled_from(["all", "random", *HALVES]), pool=st.sampled_from([1, 2, 4]))
def test_observing_what_was_observed_changes_nothing(mask, pool):
    measurement = measure(mask=mask, pool=pool, rate=0.5 if mask == "random" else None)
    ids = torch.arange(5)
    once = measurement.observe(some_images(5), ids)
    assert once.shape[1:] == measurement.reduced
    assert torch.equal(measurement.observe(once, ids), once)


def test_pooling_is_the_mean_of_squares_and_comes_before_the_mask():
    images = some_images(2, (3, 4, 6))
    seen = measure((3, 4, 6), mask="top", pool=2).observe(images, torch.arange(2))
    means = images.view(2, 3, 2, 2, 3, 2).mean(dim=(3, 5))
    assert torch.allclose(seen[:, :, 0], means[:, :, 0], atol=1e-6)
    assert (seen[:, :, 1] == 0).all()


def test_all_is_seen_as_it_is():
    measurement, images = measure(), some_images(2)
    assert measurement.masks(torch.arange(2)) is None
    assert torch.equal(measurement.observe(images, torch.arange(2)), images)
    assert measurement.observe(images[:0], torch.arange(0)).shape == (0, *SHAPE)
    assert measure(noise=1.0).observe(images[:0], torch.arange(0)).shape == (0, *SHAPE)


@pytest.mark.parametrize("mask", ["all", "top"])
def test_noise_has_its_variance_and_only_where_something_is_seen(mask):
    measurement = measure(mask=mask, noise=0.25)
    ids = torch.arange(500)
    noise = measurement.observe(torch.zeros(500, *SHAPE), ids)
    part = noise if mask == "all" else noise[:, :, :4]
    error = 5 * 0.25 * math.sqrt(2 / part.numel())  # five standard errors of a variance
    assert part.var().item() == pytest.approx(0.25, abs=error)
    assert part.mean().item() == pytest.approx(0, abs=5 * 0.5 / math.sqrt(part.numel()))
    assert mask == "all" or (noise[:, :, 4:] == 0).all()


def test_noise_repeats_neither_between_pixels_nor_images():
    noise = measure(noise=1.0).observe(torch.zeros(200, *SHAPE), torch.arange(200)).flatten(1)
    assert len(noise.flatten().unique()) > 0.99 * noise.numel()


def test_float64_images_stay_float64():
    images = some_images(1).double()
    assert measure(mask="top", noise=0.1).observe(images, torch.arange(1)).dtype == torch.float64


def test_a_file_shows_where_it_is_bright(tmp_path):
    path = picture(tmp_path / "mask.png", [[0, 127, 128], [255, 0, 200]])
    assert masks_of([4, 7], (1, 4, 6), mask=path, pool=2)[1, 0].tolist() == [[0, 0, 1], [1, 0, 1]]
    measurement = measure((1, 4, 6), mask=path, pool=2)
    travelled = pickle.loads(pickle.dumps(measurement))
    (tmp_path / "mask.png").unlink()
    images, ids = some_images(2, (1, 4, 6)), torch.arange(2)
    assert torch.equal(travelled.observe(images, ids), measurement.observe(images, ids))


@pytest.mark.parametrize(
    ("mode", "seen", "hidden"),
    [
        ("L", 255, 0),
        ("LA", (255, 255), (255, 0)),
        ("RGBA", (255, 255, 255, 255), (255, 255, 255, 0)),
        ("RGBA", (255, 255, 255, 128), (255, 255, 255, 127)),
        ("I;16", 65_535, 20_000),
        ("I;16", 32_896, 32_767),
    ],
)
def test_transparent_pixels_and_dark_ones_of_16_bits_are_hidden(tmp_path, mode, seen, hidden):
    image = Image.new(mode, (12, 8), hidden)
    image.paste(seen, (0, 0, 12, 4))
    image.save(tmp_path / "mask.png")
    masks = masks_of([0], mask=str(tmp_path / "mask.png"))
    assert torch.equal(masks, masks_of([0], mask="top"))


def test_a_files_content_is_part_of_the_config(tmp_path):
    path = picture(tmp_path / "mask.png", [[255, 0]])
    first = MeasurementConfig(mask=path)
    assert MeasurementConfig.model_validate(first.model_dump()) == first
    picture(tmp_path / "mask.png", [[0, 255]])
    assert MeasurementConfig(mask=path).model_dump() != first.model_dump()
    with pytest.raises(ValidationError, match="does not match mask_sha256"):
        MeasurementConfig.model_validate(first.model_dump())


def test_masks_that_do_not_fit_are_refused(tmp_path):
    dark = picture(tmp_path / "dark.png", [[100] * 12] * 8)
    small = picture(tmp_path / "small.png", [[255] * 4] * 5)
    words = tmp_path / "words.png"
    words.write_text("not an image")
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "dark.png").read_bytes()[:50])
    cases = [
        ({"mask": dark}, "dark.png observes none of the 8 x 12 pixels"),
        ({"mask": small}, "small.png must have 8 x 12 pixels, as the .pooled. images do, but has 5 x 4"),
        ({"mask": str(words)}, "words.png is not a readable image"),
        ({"mask": str(cut)}, "cut.png is not a readable image"),
        ({"pool": 3}, "pool 3 does not divide images of 8 x 12 pixels"),
        ({"mask": "random", "rate": 0.001}, "mask random at rate 0.001 observes none of the 8 x 12 pixels"),
        ({"mask": "left", "rate": 0.01}, "mask left at rate 0.01 observes none"),
    ]
    for config, message in cases:
        with pytest.raises(InversionError, match=message):
            measure(**config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mask": "random"}, "mask=random needs a rate"),
        ({"mask": "random", "rate": 0}, "greater than 0"),
        ({"mask": "random", "rate": 1.01}, "less than or equal to 1"),
        ({"mask": "random", "rate": math.nan}, "finite"),
        ({"rate": 0.5}, "rate applies to mask=random, halves and operators that take one"),
        ({"mask": "tpo"}, "no mask 'tpo': give one of all, random, top, bottom, left, right, or an image"),
        ({"mask": "top", "mask_sha256": "0"}, "mask_sha256 applies to a mask's file only"),
        ({"pool": 0}, "greater than or equal to 1"),
        ({"noise": -1}, "greater than or equal to 0"),
        ({"noise": math.inf}, "finite"),
    ],
)
def test_configs_that_mean_nothing_are_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        MeasurementConfig(**config)


def test_images_of_another_shape_are_refused():
    with pytest.raises(InversionError, match="the measurement is of 3 x 8 x 12 images but got 3 x 8 x 8"):
        measure().observe(torch.zeros(2, 3, 8, 8), torch.arange(2))
