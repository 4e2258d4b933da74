"""BatchNorm over the images of all workers, so that a step does not depend on their number."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from preimage.training.precision import upcast

Sum = Callable[[Tensor], Tensor]


class SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm1d and 2d whose mean and variance in training are those of all workers' batch.

    torch.nn.SyncBatchNorm does this on GPUs only. The running statistics are also equal on all workers.
    """

    share: float
    """This worker's fraction of every batch."""
    sum_over_workers: Sum

    def _check_input_dim(self, input: Tensor) -> None:
        """Accepts features (N, C) and maps (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        output, mean, variance = _Normalise.apply(  # pyright: ignore
            input, self.weight, self.bias, self.eps, self.share, self.sum_over_workers
        )
        count = _count(input, self.share)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)  # pyright: ignore
            self.running_mean.lerp_(mean, self.momentum)  # pyright: ignore
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)  # pyright: ignore
        return output


def synchronise(network: nn.Module, share: float, sum_over_workers: Sum, compiled: bool = False) -> None:
    """Replace every BatchNorm in a network with one over all workers; weights and names stay.

    share: this worker's fraction of every batch; those of all workers sum to 1. sum_over_workers: of a small
    tensor, in place. compiled: whether torch.compile follows.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                synced = SyncedBatchNorm(child.num_features, child.eps, child.momentum)
                synced.to(child.weight.device, child.weight.dtype).load_state_dict(child.state_dict())
                synced.share, synced.sum_over_workers = share, sum_over_workers
                if compiled:  # around it: no graph holds what workers say to each other
                    synced.forward = torch.compiler.disable(synced.forward)
                setattr(module, name, synced)


class _Normalise(torch.autograd.Function):
    """One sum over the workers forward, of means and mean squares, and one backward, of gradient sums."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float, share: float, total: Sum
    ) -> tuple[Tensor, Tensor, Tensor]:
        full = upcast(images)
        mean, variance = torch.batch_norm_update_stats(full, None, None, 0.0)
        moments = torch.stack([mean.double(), variance.double() + mean.double() ** 2])
        moments = total(moments * share)
        mean, variance = moments[0], moments[1] - moments[0] ** 2
        mean, variance = mean.to(weight.dtype), variance.to(weight.dtype)
        ctx.eps, ctx.count, ctx.total = eps, _count(images, share), total
        ctx.save_for_backward(images, weight, mean, variance)
        output = F.batch_norm(images, mean, variance, weight, bias, training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, weight, mean, variance = ctx.saved_tensors
        slope, full, scale = upcast(gradients[0]), upcast(images), (variance + ctx.eps).rsqrt()
        _, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(  # with constant statistics
            slope, full, weight, mean, variance, mean, scale, False, ctx.eps, [False, True, True]
        )
        sums = ctx.total(torch.stack([to_bias, to_weight]) / ctx.count)
        # The images change the statistics too: their gradient is by_slope * slope + by_image * images + rest.
        by_slope = weight * scale
        by_image = -by_slope * scale * sums[1]
        rest = -by_slope * sums[0] - by_image * mean
        zero, one = torch.zeros_like(mean), torch.ones_like(mean)
        slope = F.batch_norm(slope, zero, one, by_slope, rest, training=False, eps=0.0)
        slope.addcmul_(full, by_image.view(1, -1, *[1] * (images.ndim - 2)))
        return slope.to(images.dtype), to_weight, to_bias, None, None, None


def _count(images: Tensor, share: float) -> int:
    """Values per channel (N, C, ...) over all workers."""
    return round(images.numel() // images.shape[1] / share)
