"""Steps with a loss or gradient that is not finite: skipped, named, never saved, read at once or later."""

import math
import re

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from preimage.errors import NonFiniteError
from preimage.runs import checkpoints
from preimage.training import nan_check
from preimage.training.config import OptimizerConfig
from preimage.training.gan import GanAlgorithm
from preimage.training.loop import train
from preimage.training.worker import Worker
from spoiled_steps import BUILDS, built, in_one_order, kept, same, spoil_one_worker, step
from two_workers import many


@pytest.fixture
def read_later(monkeypatch):
    """As on a GPU: no step reads the flag."""
    monkeypatch.setattr(nan_check, "READ_AT_ONCE", set())


class NoReads(TorchDispatchMode):
    """Refuses what would wait for a device."""

    WAIT = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "is_nonzero", "unique")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name.startswith(self.WAIT) or (name == "index" and _by_bool(args[1])):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def _by_bool(indices) -> bool:
    return any(each is not None and each.dtype == torch.bool for each in indices)


@pytest.mark.parametrize("name", BUILDS)
def test_a_step_asks_the_device_nothing(name, read_later):
    made = built(name)
    with NoReads():
        for number in range(3):
            step(made, name, number)
    made.require_finite()


def test_a_read_would_be_noticed():
    with NoReads(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        step(built("gan"), "gan", 0)


@pytest.mark.parametrize("name", BUILDS)
def test_nothing_changes_from_the_first_spoilt_step_on(name, read_later):
    made = built(name)
    for number in range(4, 6):
        step(made, name, number)
    before = kept(made)
    step(made, name, 6, spoilt=True)
    step(made, name, 7)
    step(made, name, 8, spoilt=True)
    assert same(kept(made), before)
    with pytest.raises(NonFiniteError, match=r"loss is not finite at step 6\. The update was skipped"):
        made.require_finite()
    with pytest.raises(NonFiniteError):
        made.replicated_state()


@pytest.mark.parametrize("name", BUILDS)
def test_what_is_read_later_is_the_same_training(name, monkeypatch):
    at_once = built(name)
    monkeypatch.setattr(nan_check, "READ_AT_ONCE", set())
    later = built(name)
    for number in range(3):
        step(at_once, name, number)
        step(later, name, number)
    assert same(kept(later), kept(at_once))


@pytest.mark.parametrize("name", ["conditional-gan", "autoencoder", "classifier"])
def test_weights_gradients_and_moments_lie_in_the_same_order(name):
    """A fused optimiser on a CPU goes through their memory, whatever their strides."""
    made = built(name)
    made.networks.optimizers = {
        name: OptimizerConfig().build(network) for name, network in made.networks.unwrapped.items()
    }
    step(made, name, 0)
    for optimizer in made.networks.optimizers.values():
        for weights, state in optimizer.state.items():
            assert in_one_order(weights, weights.grad, state["exp_avg"], state["exp_avg_sq"])


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_neither_records_nor_grids_nor_checkpoints_are_written_after_it(
    make_training, monkeypatch, read_later, optimizer
):
    training = make_training(optimizer=OptimizerConfig(name=optimizer), log_every=96, sample_every=72)
    original = GanAlgorithm.step

    def poisoned(self, rows, images, number):
        return original(self, rows, images * math.nan if number == 6 else images, number)

    monkeypatch.setattr(GanAlgorithm, "step", poisoned)
    with pytest.raises(NonFiniteError, match="the discriminator's loss is not finite at step 6"):
        train(Worker(), training)
    assert checkpoints.newest(training.run.product("checkpoints")).images == 120
    assert [images for images, _ in training.run.curve("generator_loss")] == [96]
    assert training.run.has_samples(144)
    assert not training.run.has_samples(216)
    assert not training.run.product("generator").exists()


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_gradient_is_named_with_the_step_at_which_it_was_first_not_finite(network, monkeypatch, read_later):
    made = built("gan")
    weight = next(made.networks.unwrapped[network].parameters())
    weight.register_hook(lambda slope: slope * (math.inf if poisoned and slope.numel() else 1))
    for number in range(4):
        poisoned = number >= 2
        step(made, "gan", number)
    named = re.escape(next(name for name, _ in made.networks.unwrapped[network].named_parameters()))
    with pytest.raises(NonFiniteError, match=rf"the gradient of {network}\.{named} is not finite at step 2"):
        made.require_finite()


def test_what_one_worker_finds_stops_all_at_the_same_weights():
    many(2, spoil_one_worker)
