"""Real processes in a process group, against one: a step is the same step for any number of workers."""

import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch

from preimage.runs import checkpoints
from preimage.training.algorithm import AlgorithmContext
from preimage.training.loop import train
from preimage.training.training import Training
from preimage.training.worker import Worker
from stores import store_of
from tiny import LOOP
from two_workers import (
    METHODS,
    compile_all,
    gan,
    glo,
    many,
    norm_network,
    normalise,
    stopping,
    train_all,
    train_or_stop,
)


def alike(one: Training, other: Training, metric: str) -> None:
    a, b = one.run.curve(metric), other.run.curve(metric)
    assert [images for images, _ in a] == [images for images, _ in b]
    assert torch.allclose(torch.tensor(a), torch.tensor(b), rtol=2e-4), "up to the rounding of sums"


@pytest.mark.parametrize(
    ("workers", "batch", "images", "local"),
    [(2, 24, 480, False), (3, 25, 250, True)],
    ids=["two equal, by torch", "three unequal, on one machine"],
)
def test_workers_train_as_one_does(make_glo, workers, batch, images, local):
    size = {"batch_size": batch, "total_images": images, "log_every": 2 * batch}
    ones, groups = (
        [replace(make_glo(f"{method}-{name}", **size), build=build) for method, (build, _) in METHODS.items()]
        for name in ("one", "many")
    )
    for training in ones:
        train(Worker(), training)
    many(workers, train_all, groups, local)
    for one, group, (_, metric) in zip(ones, groups, METHODS.values(), strict=True):
        alike(one, group, metric)


@pytest.mark.parametrize(("first", "then"), [(1, 3), (3, 1)])
def test_glo_goes_on_with_another_number_of_workers(make_glo, first, then):
    """The whole curve, the codes, and the store are those of a training that nothing disturbed."""
    whole = replace(make_glo("whole", batch_size=25), build=glo)
    moved = replace(make_glo("moved", batch_size=25), build=partial(stopping, glo, 13))
    train(Worker(), whole)
    for workers, training in ((first, moved), (then, replace(moved, build=glo))):
        many(workers, train_or_stop, training) if workers > 1 else train_or_stop(Worker(), training)
    assert checkpoints.newest(moved.run.product("checkpoints")).world_size == then
    alike(whole, moved, "loss")
    expected, found = (store_of(each.run).head(500) for each in (whole, moved))
    assert torch.equal(found.image_id, expected.image_id)
    assert torch.allclose(found.z, expected.z, atol=2e-4)
    assert torch.allclose(found.loss, expected.loss, rtol=1e-3)


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_networks_exchange_too(tmp_path):
    many(2, compile_all, tmp_path)
    alone = gan(AlgorithmContext(Worker(), None, LOOP.model_copy(update={"batch_size": 9}), 1))
    images = torch.rand(9, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for number in range(2):
        alone.step(torch.arange(9), images, number)
    for path in tmp_path.iterdir():
        for name, value in torch.load(path, weights_only=True).items():
            assert torch.allclose(value, alone.generator.state_dict()[name], atol=1e-6), name


def test_batchnorm_over_workers_is_batchnorm_over_their_images(tmp_path):
    """Output, running statistics and every gradient, in float64, against one BatchNorm on all images. One
    worker has one more of them than the others. Both as on one machine and by torch alone."""
    many(3, normalise, tmp_path)
    torch.manual_seed(0)
    network = norm_network()
    images = torch.randn(13, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    made = network(images)
    made.pow(3).mean().backward()
    for way in ("local", "torch"):
        parts = [torch.load(tmp_path / way / f"{rank}.pt", weights_only=True) for rank in range(3)]
        assert torch.allclose(torch.cat([part["made"] for part in parts]), made)
        assert torch.allclose(torch.cat([part["slope"] for part in parts]) / 3, images.grad)
        for part in parts:
            for name, value in network.state_dict().items():
                assert torch.allclose(part["state"][name], value, rtol=1e-10, atol=1e-10), name
            for mine, theirs in zip(part["gradients"], network.parameters(), strict=True):
                assert torch.allclose(mine, theirs.grad, rtol=1e-10, atol=1e-10)
