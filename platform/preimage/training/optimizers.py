"""Optimisers that change nothing once a flag on the device is set, and the loading of their state."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

IMPLEMENTATION = ("foreach", "fused", "capturable")
"""The options of an optimiser that tell how it computes, and not what."""


def skip_if(optimizer: Optimizer, flag: Tensor) -> None:
    """From now on a step with the flag, a scalar on the weights' device, at 1 changes nothing, but at 0 all.

    A fused optimiser's kernel reads the flag itself. Of another, weights and state are put back.
    """
    if optimizer.defaults.get("fused"):
        optimizer.found_inf = flag  # pyright: ignore[reportAttributeAccessIssue]
        return
    before: dict[Tensor, Tensor] = {}

    def keep(*_: Any) -> None:
        before.update((each, each.detach().clone()) for each in _tensors(optimizer))

    @torch.no_grad()
    def put_back(*_: Any) -> None:
        for each in _tensors(optimizer):
            old = before.get(each)  # None of state that this step made
            each.copy_(torch.where(flag == 0, each, torch.zeros_like(each) if old is None else old))
        before.clear()

    optimizer.register_step_pre_hook(keep)
    optimizer.register_step_post_hook(put_back)


def _tensors(optimizer: Optimizer) -> list[Tensor]:
    weights = [each for group in optimizer.param_groups for each in group["params"]]
    state = [each for state in optimizer.state.values() for each in state.values()]
    return weights + [each for each in state if isinstance(each, Tensor)]


def load_state(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Load a state that another implementation of the same optimiser may have saved.

    torch's own loading would go on with the saved implementation, and leave moments in another order than
    their weights, where a fused optimiser, which goes through memory, pairs the wrong ones.
    """
    own = {name: value for name, value in optimizer.defaults.items() if name in IMPLEMENTATION}
    groups = [group | own for group in state["param_groups"]]
    optimizer.load_state_dict(state | {"param_groups": groups})
    for weights, found in optimizer.state.items():
        for name, value in found.items():
            if isinstance(value, Tensor) and value.shape == weights.shape:
                found[name] = torch.empty_like(weights, requires_grad=False).copy_(value)
