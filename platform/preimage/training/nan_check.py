"""The check that every loss and gradient is finite, on every worker, before any update."""

import torch
from torch import Tensor, nn

from preimage.errors import NonFiniteError
from preimage.training.worker import Worker


def check_finite(
    worker: Worker, step: int, losses: dict[str, Tensor], networks: dict[str, nn.Module]
) -> None:
    """Raise NonFiniteError on every worker if a scalar or gradient of any worker is not finite.

    losses: scalars by readable names, such as "discriminator's loss".

    Costs one reduction and one host sync per call; searches for the tensor at fault only after a failure.
    """
    gradients = [p.grad for network in networks.values() for p in network.parameters() if p.grad is not None]
    total = torch.nn.utils.get_total_norm(gradients) + sum(loss.detach() for loss in losses.values())
    if not worker.any_rank((~torch.isfinite(total)).float()):
        return
    blame = [blamed for blamed in worker.gather(_first_non_finite(losses, networks)) if blamed]
    culprit = blame[0] if blame else "the sum of the gradients"
    raise NonFiniteError(
        f"{culprit} is not finite at step {step}. The update was skipped and the last good checkpoint "
        "is kept. Try a lower learning rate, or precision=float32 if this was bf16."
    )


def _first_non_finite(losses: dict[str, Tensor], networks: dict[str, nn.Module]) -> str | None:
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            return f"the {name}"
    for name, network in networks.items():
        for parameter, value in network.named_parameters():
            if value.grad is not None and not torch.isfinite(value.grad).all():
                return f"the gradient of {name}.{parameter.removeprefix('module.')}"
    return None
