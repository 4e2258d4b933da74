"""Descent steps on a batch of codes in which every row is at its own step number."""

from collections.abc import Callable

import torch
from torch import Tensor

from preimage.inversion.config import InversionConfig

State = dict[str, Tensor]
"""What a solver remembers: tensors with one row an image."""

Step = Callable[[Tensor, Tensor, Tensor, State], Tensor]
"""(codes (n, d), their gradient (n, d), steps already taken (n,), state) to new codes; changes the state."""

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def make_solver(config: InversionConfig) -> tuple[tuple[str, ...], Step]:
    """The solver's step, and the names of the (n, d) tensors that it remembers, zero at an image's start."""
    if config.solver == "adam":
        return ("mean", "square"), lambda z, g, t, state: _adam(z, g, t, state, learning_rate(config, t))
    return (), lambda z, g, t, state: z - learning_rate(config, t) * g


def learning_rate(config: InversionConfig, taken: Tensor) -> Tensor:
    """Each image's learning rate (n, 1), from the steps (n,) it has taken."""
    halvings = taken // config.halve_every if config.halve_every else torch.zeros_like(taken)
    return (config.lr * 0.5**halvings)[:, None]


def _adam(z: Tensor, gradient: Tensor, taken: Tensor, state: State, lr: Tensor) -> Tensor:
    """Adam (Kingma and Ba 2015, Algorithm 1), with a step number of its own for every row."""
    state["mean"].lerp_(gradient, 1 - BETA1)
    state["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    number = (taken + 1)[:, None].to(z.dtype)
    mean = state["mean"] / (1 - BETA1**number)
    square = state["square"] / (1 - BETA2**number)
    return z - lr * mean / (square.sqrt() + EPSILON)
