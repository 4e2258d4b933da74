"""What is browsed, of a linear generator, for which every answer is known."""

import torch
from torch import nn

from preimage.browsing.subject import Subject
from preimage.latents.priors import Normal, Prior
from preimage.latents.store import Store
from small_nets import Linear


def subject_of(
    generator: nn.Module | None, dim: int = 3, store: Store | None = None, prior: Prior | None = None
) -> Subject:
    own = prior or Normal(dim)
    missing = () if generator else ("The generator was moved away.",)
    return Subject("tiny", store, generator, None, None, {own.name: own}, missing)


def small(values: float = 0.1, dim: int = 3) -> Linear:
    """Whose images stay in [-1, 1], where pixels are not clipped."""
    generator = Linear(dim)
    with torch.no_grad():
        generator.weight.mul_(values)
    return generator


class OfClasses(nn.Module):
    """A conditional generator: its image is as bright as its class says, whatever the code."""

    classes = 5

    def forward(self, codes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (labels[:, None, None, None] / 10 + 0 * codes[:, :1, None, None]).expand(-1, 1, 4, 4)
