"""The captured step's logic, on a tape of operators in place of a CUDA graph."""

import pytest
import torch
from benchmarks.gpu.captured import WARM_UP, Captured
from benchmarks.gpu.setting import Setting, steps

from preimage.training import nan_check
from taped_graph import taped_graphs

TINY = Setting(torch.device("cpu"), tiny=True)


@pytest.fixture(autouse=True)
def nothing_is_read_at_once(monkeypatch):
    """As on a device: a step does not read whether it was finite."""
    monkeypatch.setattr(nan_check, "READ_AT_ONCE", set())


def ran(number, captured):
    loop = steps(TINY, "gan", (16, 4))
    if captured:
        algorithm = loop.algorithm
        with taped_graphs(algorithm):
            loop.algorithm = Captured(algorithm)
            loop.steps(number)
    else:
        loop.steps(number)
    return loop


def test_replayed_steps_are_the_eager_ones():
    """With images of their own, codes drawn anew, and the same metrics."""
    eager, captured = ran(WARM_UP + 3, False), ran(WARM_UP + 3, True)
    assert captured.algorithm.graph is not None
    for name, network in eager.algorithm.networks.unwrapped.items():
        for one, other in zip(
            network.state_dict().values(),
            captured.algorithm.networks.unwrapped[name].state_dict().values(),
            strict=True,
        ):
            torch.testing.assert_close(one, other)
    assert eager.sums.keys() == captured.sums.keys()
    for name, value in eager.sums.items():
        torch.testing.assert_close(captured.sums[name], value)
    assert torch.equal(eager.algorithm.random.get_state(), captured.algorithm.random.get_state())


def test_before_the_warm_up_is_over_nothing_is_captured():
    assert ran(WARM_UP, True).algorithm.graph is None
