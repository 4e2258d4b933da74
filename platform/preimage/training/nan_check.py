"""The check that every loss and gradient is finite, on every worker, before any update."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from preimage.errors import NonFiniteError
from preimage.training.worker import Worker

READ_AT_ONCE = {"cpu"}
"""Types of device where each look reads the flag and raises: there it costs nothing."""


class NanCheck:
    """Finds the first update with a loss or gradient that is not finite, and remembers it on the device.

    A look never waits for the device. Whoever writes something reads the flag first, by `require_finite`.
    """

    def __init__(self, worker: Worker, networks: Mapping[str, nn.Module]) -> None:
        self.worker, self.networks = worker, networks
        self.found = torch.zeros((), device=worker.device)
        """The flag, a scalar: 0, and from the first such update on 1. The same on all workers."""
        self.at_once = worker.device.type in READ_AT_ONCE
        self.updates: dict[tuple[str, ...], _Updates] = {}

    @torch.no_grad()
    def look(
        self,
        names: Iterable[str],
        number: int,
        losses: Mapping[str, Tensor],
        own: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Look at scalars and at these networks' gradients in step `number`, before their update.

        losses: by readable names, such as "discriminator's loss". Each has had its backward pass, in which
        one that is not finite spoils all workers' gradients, by `contagious`. own: scalars without one; they
        alone cost a meeting of the workers.
        """
        key, own = tuple(names), own or {}
        if key not in self.updates:
            self.updates[key] = self._begin(key, number, [*losses, *own])
        updates = self.updates[key]
        norms = torch._foreach_norm([each.grad for each in updates.parameters])  # pyright: ignore
        values = torch.stack([each.float() for each in (*losses.values(), *own.values(), *norms)])
        torch.where(self.found == 0, values, updates.values, out=updates.values)
        bad = (values * 0).sum().ne(0)  # 0 times inf or NaN is NaN
        torch.maximum(self.found, bad.float(), out=self.found)
        if own:
            self.worker.maximum(self.found)
        updates.good += 1 - self.found
        if self.at_once:
            self.require_finite()

    def _begin(self, key: tuple[str, ...], number: int, scalars: list[str]) -> "_Updates":
        found = _Updates(number, [f"the {name}" for name in scalars])
        for name in key:
            for parameter, value in self.networks[name].named_parameters():
                if value.grad is not None:
                    found.culprits.append(f"the gradient of {name}.{parameter}")
                    found.parameters.append(value)
        found.values = self.found.new_zeros(len(found.culprits))
        found.good = torch.zeros_like(self.found)
        return found

    def require_finite(self) -> None:
        """Raise NonFiniteError, on every worker, if a look found something. Waits for the device."""
        if not self.found.item():
            return
        blame = [each for some in self.worker.gather(self._blame()) for each in some]
        step, _, culprit = min(blame)
        raise NonFiniteError(
            f"{culprit} is not finite at step {step}. The update was skipped, and nothing was saved after "
            "it. Try a lower learning rate, or precision=float32 if this was bf16."
        )

    def _blame(self) -> list[tuple[int, int, str]]:
        """What was not finite on this worker: the step, its place in the list, losses first, and its name."""
        found = []
        for updates in self.updates.values():
            if bad := (~torch.isfinite(updates.values)).nonzero().flatten().tolist():
                step = updates.begun + int(updates.good)
                found.append((step, bad[0], updates.culprits[bad[0]]))
        return found


@dataclass
class _Updates:
    """The updates of the same networks, one a step."""

    begun: int
    """The step of the first."""
    culprits: list[str]
    parameters: list[Tensor] = field(default_factory=list)
    values: Tensor = field(default_factory=lambda: torch.empty(0))
    """Scalars, then the gradients' norms, of the latest update, or of the first that was not finite."""
    good: Tensor = field(default_factory=lambda: torch.empty(0))
    """How many were finite, a scalar."""


def contagious(loss: Tensor, weight: float) -> Tensor:
    """A loss times a weight, whose slope is NaN if the loss is not finite, even if its own slope is.

    The workers' gradients are averaged: so all see it without another meeting.
    """
    return loss * (weight + 0 * loss.detach())
