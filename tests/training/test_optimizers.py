"""Optimisers' implementations: the same steps, none with the flag set, and one's state loaded by another."""

from functools import partial

import pytest
import torch
from torch import nn

from preimage.training.config import OptimizerConfig
from preimage.training.optimizers import IMPLEMENTATION, load_state, skip_if

OPTIMIZERS = {
    "adam": OptimizerConfig(weight_decay=0.01, lr=0.01),
    "rmsprop": OptimizerConfig(name="rmsprop", momentum=0.9, weight_decay=0.01),
    "sgd": OptimizerConfig(name="sgd", lr=0.1),
    "sgd with momentum": OptimizerConfig(name="sgd", lr=0.1, momentum=0.9, weight_decay=0.01),
}
FUSED = {
    "fused sgd": partial(torch.optim.SGD, lr=0.1, fused=True),
    "fused sgd with momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9, fused=True),
}
"""What a GPU takes."""


USUAL = {
    torch.optim.Adam: {"fused": None, "foreach": True},
    torch.optim.RMSprop: {"foreach": False},
    torch.optim.SGD: {"foreach": False},
}
"""Other implementations."""


def made(name: str, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network whose convolution has channels last, and its optimiser."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(32, 1))
    network = network.to(dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if name in FUSED:
        return network, FUSED[name](network.parameters())
    return network, OPTIMIZERS[name].build(network)


def descend(network: nn.Module, optimizer: torch.optim.Optimizer, step: int, scale: float = 1) -> None:
    images = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(step))
    images = images.to(next(network.parameters()).dtype)
    optimizer.zero_grad()
    (network(images).square().mean() * scale).backward()
    optimizer.step()


def state_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    kept = [value for each in optimizer.state.values() for value in each.values() if value is not None]
    return [each.detach().clone() for each in (*network.parameters(), *kept)]


def contiguous(state: dict[str, object]) -> dict[str, object]:
    layout = torch.contiguous_format
    return {
        key: value.clone(memory_format=layout) if isinstance(value, torch.Tensor) else value
        for key, value in state.items()
    }


@pytest.mark.parametrize("name", [*OPTIMIZERS, *FUSED])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("good", [0, 2])
def test_with_the_flag_a_step_changes_neither_weights_nor_moments_nor_counts(name, dtype, good):
    flag, (network, optimizer) = torch.zeros(()), made(name, dtype)
    skip_if(optimizer, flag)
    for step in range(good):
        descend(network, optimizer, step)
    before = state_of(network, optimizer)
    flag.fill_(1)
    for step in range(3):
        descend(network, optimizer, step, scale=float("nan"))
    weights = len(list(network.parameters()))
    after = state_of(network, optimizer)
    assert all(map(torch.equal, after if good else after[:weights], before))


@pytest.mark.parametrize("name", [*OPTIMIZERS, *FUSED])
def test_without_the_flag_a_step_is_the_usual_one(name):
    (network, optimizer), (other, usual) = made(name), made(name)
    skip_if(optimizer, torch.zeros(()))
    for step in range(3):
        descend(network, optimizer, step)
        descend(other, usual, step)
    assert all(map(torch.equal, state_of(network, optimizer), state_of(other, usual)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_adam_is_adam_to_rounding(dtype):
    (network, optimizer), (other, _) = made("adam", dtype), made("adam", dtype)
    config = OPTIMIZERS["adam"]
    betas = (config.beta1, 0.999)
    plain = torch.optim.Adam(
        other.parameters(), config.lr, betas, weight_decay=config.weight_decay, foreach=False
    )
    for step in range(20):
        descend(network, optimizer, step)
        descend(other, plain, step)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-14)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_that_another_implementation_saved_is_gone_on_with(name):
    """Moments with another memory layout than the weights', and the count of steps on the CPU."""
    network, chosen = made(name)
    usual = type(chosen)(network.parameters(), **chosen.defaults | USUAL[type(chosen)])
    for step in range(3):
        descend(network, usual, step)
    saved = usual.state_dict()
    saved["state"] = {number: contiguous(each) for number, each in saved["state"].items()}
    moved, optimizer = made(name)
    moved.load_state_dict(network.state_dict())
    load_state(optimizer, saved)
    group, own = optimizer.param_groups[0], optimizer.defaults
    assert [group.get(option) for option in IMPLEMENTATION] == [own.get(option) for option in IMPLEMENTATION]
    skip_if(optimizer, torch.zeros(()))
    for step in range(3, 6):
        descend(network, usual, step)
        descend(moved, optimizer, step)
    for one, two in zip(moved.parameters(), network.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=0, atol=1e-6)
