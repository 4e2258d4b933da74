import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.objectives.lap1 import lap1, pyramid

KERNEL = {-2: 1 / 16, -1: 4 / 16, 0: 6 / 16, 1: 4 / 16, 2: 1 / 16}
TAPS = [(m, n, u * v) for m, u in KERNEL.items() for n, v in KERNEL.items()]


def images_of(count, channels, height, width, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, height, width, generator=random, dtype=torch.float64) * 2 - 1


def at(plane, y, x):
    """A pixel, or the nearest one at the border."""
    return plane[min(max(y, 0), len(plane) - 1)][min(max(x, 0), len(plane[0]) - 1)]


def reduced(plane):
    """sum_mn w(m, n) g(2i + m, 2j + n): Burt and Adelson 1983, REDUCE."""
    height, width = (len(plane) + 1) // 2, (len(plane[0]) + 1) // 2
    return [
        [sum(weight * at(plane, 2 * i + m, 2 * j + n) for m, n, weight in TAPS) for j in range(width)]
        for i in range(height)
    ]


def expanded(plane, height, width):
    """4 sum_mn w(m, n) g((i - m) / 2, (j - n) / 2), over whole indices: EXPAND."""

    def pixel(i, j):
        whole = [(m, n, weight) for m, n, weight in TAPS if (i - m) % 2 == 0 and (j - n) % 2 == 0]
        return 4 * sum(weight * at(plane, (i - m) // 2, (j - n) // 2) for m, n, weight in whole)

    return [[pixel(i, j) for j in range(width)] for i in range(height)]


def difference(a, b):
    return [[p - q for p, q in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]


def plain_pyramid(plane, levels):
    bands = []
    for _ in range(levels):
        small = reduced(plane)
        bands.append(difference(plane, expanded(small, len(plane), len(plane[0]))))
        plane = small
    return [*bands, plane]


def plain_lap1(image, target, weights, levels):
    """Of (C, H, W) lists, from the pyramid of each; plain floats, which are float64."""
    sums, counts = [0.0] * (levels + 1), [0] * (levels + 1)
    for ours, theirs in zip(image, target, strict=True):
        pairs = zip(plain_pyramid(ours, levels), plain_pyramid(theirs, levels), strict=True)
        for level, pair in enumerate(pairs):
            numbers = [abs(number) for row in difference(*pair) for number in row]
            sums[level] += sum(numbers)
            counts[level] += len(numbers)
    if weights == "equal":
        return sum(total / count for total, count in zip(sums, counts, strict=True))
    return sum(2 ** (-2 * level) * total for level, total in enumerate(sums))


@pytest.mark.parametrize("weights", ["equal", "paper"])
@pytest.mark.parametrize("shape", [(1, 16, 16, 2), (3, 8, 8, 1), (1, 12, 7, 1), (2, 8, 16, 3)])
def test_it_is_the_sum_written_out(weights, shape):
    channels, height, width, levels = shape
    a, b = images_of(2, channels, height, width), images_of(2, channels, height, width, seed=1)
    expected = [plain_lap1(x.tolist(), y.tolist(), weights, levels) for x, y in zip(a, b, strict=True)]
    assert lap1(a, b, weights, levels).tolist() == pytest.approx(expected, rel=1e-12)
    single = lap1(a.float(), b.float(), weights, levels)
    assert single.dtype == torch.float32
    assert single.tolist() == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    side=st.sampled_from([8, 16, 24, 48, 64]),
    offset=st.floats(-2, 2),
    levels=st.sampled_from([0, 1, 3, None]),
)
def test_only_the_residual_sees_a_constant(side, offset, levels):
    images = images_of(2, 3, side, side)
    *bands, residual = pyramid(torch.full((1, 3, side, side), offset, dtype=torch.float64), levels)
    assert all(band.abs().max() < 1e-14 for band in bands)
    assert torch.allclose(residual, torch.full_like(residual, offset))
    assert lap1(images + offset, images, levels=levels).tolist() == pytest.approx(
        [abs(offset)] * 2, abs=1e-12
    )


@settings(deadline=None, max_examples=30)
@given(height=st.integers(2, 40), width=st.integers(2, 40), weights=st.sampled_from(["equal", "paper"]))
def test_it_is_a_distance_at_any_size(height, width, weights):
    a, b, c = (images_of(2, 1, height, width, seed) for seed in range(3))
    assert torch.equal(lap1(a, a, weights), torch.zeros(2, dtype=torch.float64))
    assert torch.equal(lap1(a, b, weights), lap1(b, a, weights))
    assert (lap1(a, b, weights) > 0).all()
    assert (lap1(a, c, weights) <= lap1(a, b, weights) + lap1(b, c, weights) + 1e-12).all()
    assert torch.allclose(lap1(3 * a, 3 * b, weights), 3 * lap1(a, b, weights))


@pytest.mark.parametrize(
    ("side", "levels"), [(2, 0), (4, 0), (5, 1), (8, 1), (9, 2), (16, 2), (48, 4), (64, 4), (128, 5)]
)
def test_levels_go_down_to_four_pixels(side, levels):
    bands = pyramid(images_of(1, 1, side, side))
    assert len(bands) == levels + 1
    assert min(bands[-1].shape[-2:]) <= 4


def test_the_images_can_be_made_from_their_pyramid():
    """Nothing is lost: adding the enlarged residual to the levels, coarsest first, gives the image back."""
    image = images_of(1, 1, 16, 12)
    *bands, now = pyramid(image)
    for band in reversed(bands):
        height, width = band.shape[-2:]
        now = band + torch.tensor([[expanded(now[0, 0].tolist(), height, width)]], dtype=torch.float64)
    assert torch.allclose(now, image)


def test_the_papers_weights_are_nearly_all_on_the_finest_level():
    a, b = images_of(4, 3, 64, 64), images_of(4, 3, 64, 64, seed=1)
    finest = pyramid(a - b)[0].abs().flatten(1).sum(1)
    assert ((finest / lap1(a, b, "paper")) > 0.93).all()


@pytest.mark.parametrize("weights", ["equal", "paper"])
def test_its_gradient_is_that_of_differences(weights):
    a, b = images_of(2, 2, 8, 8).requires_grad_(), images_of(2, 2, 8, 8, seed=1)
    assert torch.autograd.gradcheck(lambda x: lap1(x, b, weights, 2), a)


def test_an_images_loss_does_not_depend_on_its_neighbours():
    a, b = images_of(5, 3, 16, 16), images_of(5, 3, 16, 16, seed=1)
    alone = torch.cat([lap1(a[i : i + 1], b[i : i + 1]) for i in range(5)])
    assert torch.allclose(lap1(a, b), alone, rtol=1e-12)
    assert lap1(a[:0], b[:0]).shape == (0,)


def test_a_first_use_without_gradients_leaves_later_ones_theirs():
    with torch.inference_mode():
        pyramid(images_of(1, 1, 34, 34))
    image = images_of(1, 1, 34, 34).requires_grad_()
    lap1(image, torch.zeros_like(image)).sum().backward()
    assert image.grad.abs().sum() > 0


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="levels must be 0 to 3 for a side of 8 pixels but got 4"):
        lap1(images_of(1, 1, 8, 8), images_of(1, 1, 8, 8), levels=4)
    with pytest.raises(ValueError, match=r"shape \(1, 1, 8, 8\) but got \(1, 3, 8, 8\)"):
        lap1(images_of(1, 1, 8, 8), images_of(1, 3, 8, 8))
