"""Random streams: no two purposes share one, and the numbers of earlier runs stay as they were."""

import re
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.random_streams import Stream, normal, place_of, restore, uniform

PLATFORM = Path(__file__).parents[1] / "platform" / "preimage"
LANES = 1 << 40
SEEDS = st.integers(0, 2**31 - 1)
SEQUENTIAL = [each for each in Stream if each.value.use == "generator"]


def draws_of(stream: Stream) -> tuple[range, ...]:
    """The numbers that may stand at each place of a stream's key."""
    lane = stream is Stream.BATCHES
    free = [range(LANES) if lane and i == 0 else range(-(2**63), 2**63) for i in range(stream.value.indices)]
    return (*(range(each, each + 1) for each in stream.value.prefix), *free)


def may_be_equal(one: Stream, other: Stream) -> bool:
    """Whether two keys may hold the same numbers in the same generator."""
    places = draws_of(one), draws_of(other)
    return (
        one.value.use == other.value.use
        and len(places[0]) == len(places[1])
        and all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in zip(*places, strict=True))
    )


def test_no_two_streams_share_a_key():
    assert not [(a.name, b.name) for a, b in combinations(Stream, 2) if may_be_equal(a, b)]


@given(seed=SEEDS, index=st.integers(0, 10_000))
def test_seeds_of_different_streams_differ(seed, index):
    seeds = [each.seed(seed, *[index] * each.value.indices) for each in SEQUENTIAL]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= each < 2**63 for each in seeds)


@given(seed=SEEDS, first=st.integers(-(2**63), 2**63 - 1), second=st.integers(0, 10_000))
def test_a_change_in_any_number_is_another_seed(seed, first, second):
    one = Stream.INIT_CODES.seed(seed, first, second)
    others = [(seed + 1, first, second), (seed, first + 1, second), (seed, first, second + 1)]
    assert all(Stream.INIT_CODES.seed(*each) != one for each in others)


def test_the_numbers_of_earlier_runs_stay():
    """From runs made before streams had names."""
    assert {stream: stream.seed(7) for stream in (Stream.NETWORKS, Stream.TRAINING_CODES)} == {
        Stream.NETWORKS: 7,
        Stream.TRAINING_CODES: 8266452923216192172,
    }
    assert Stream.BATCHES.seed(7, 3, 2) == 8979610789286659479
    assert Stream.PRIOR_CODES.seed(7) == 9006793583626056734


def test_a_stream_with_indices_is_never_used_without_them():
    with pytest.raises(AssertionError, match="INIT_CODES takes 2 indices"):
        Stream.INIT_CODES.seed(0)


def test_each_stream_has_one_purpose():
    """Two modules that name the same stream would draw the same numbers."""
    users: dict[str, set[str]] = {each.name: set() for each in Stream}
    for path in PLATFORM.rglob("*.py"):
        for name in re.findall(r"\bStream\.([A-Z_]+)", path.read_text()):
            users[name].add(path.relative_to(PLATFORM).as_posix())
    assert {name: where for name, where in users.items() if len(where) != 1} == {"NETWORKS": set()}


def test_nothing_else_seeds_a_generator():
    """But networks, whose initial weights come from the seed itself."""
    found = {
        path.relative_to(PLATFORM).as_posix()
        for path in PLATFORM.rglob("*.py")
        if re.search(r"manual_seed", path.read_text())
    }
    networks = ("classifier", "dcgan", "denoiser", "feature_discriminator", "pgan", "random_nets")
    models = {f"models/{name}.py" for name in networks}
    assert found == models | {"random_streams.py"}


@given(seed=SEEDS, ids=st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=20, unique=True))
def test_an_image_s_numbers_do_not_depend_on_the_batch(seed, ids):
    whole = uniform(seed, torch.tensor(ids), 3, 5)
    assert torch.equal(whole[1:], uniform(seed, torch.tensor(ids[1:]), 3, 5))
    assert (whole >= 0).all()
    assert (whole < 1).all()
    assert len(whole.unique()) > 1


def test_draws_are_uniform_and_normal():
    ids = torch.arange(50_000)
    flat, bell = uniform(1, ids, 0, 2), normal(1, ids, 0, 2)
    assert flat.mean().item() == pytest.approx(0.5, abs=0.005)
    assert flat.var().item() == pytest.approx(1 / 12, abs=0.001)
    assert bell.mean().item() == pytest.approx(0, abs=0.01)
    assert bell.var().item() == pytest.approx(1, abs=0.02)
    assert place_of(ids).mean().item() == pytest.approx(0.5, abs=0.005)


def test_a_generator_continues_from_its_state():
    one, other = (Stream.TRAINING_CODES.generator(3) for _ in range(2))
    torch.rand(5, generator=one)
    restore(other, one.get_state())
    assert torch.equal(torch.rand(5, generator=one), torch.rand(5, generator=other))


def test_a_state_of_another_kind_of_device_begins_draws_that_it_alone_determines():
    """A CUDA generator's is a seed and an offset: 16 bytes."""

    def drawn(offset: int) -> list[float]:
        generator = Stream.TRAINING_CODES.generator(3)
        restore(generator, torch.tensor([*[7] * 15, offset], dtype=torch.uint8))
        return torch.rand(3, generator=generator).tolist()

    assert drawn(1) == drawn(1) != drawn(2)
