"""One worker of a training run: its rank, its device, and its communication with the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from preimage.batch_parts import part_of
from preimage.errors import PreimageError
from preimage.training.batchnorm import synchronise
from preimage.training.local_group import LocalGroup, join

Value = TypeVar("Value")
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Worker:
    """A member of a process group, or the only worker. Uses torch alone: Ray only starts it."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    local: LocalGroup | None = None
    """How the workers of one machine exchange small tensors and gradients on CPUs. Without it torch does."""

    @classmethod
    def of_process_group(cls, device: torch.device) -> "Worker":
        """This process's worker, in the process group set up by Ray Train or torchrun."""
        if not dist.is_initialized():
            return cls(device=device)
        worker = cls(dist.get_rank(), dist.get_world_size(), device)
        kinds = {each.type for each in worker.gather(device)}
        if worker.world_size == 1 or kinds != {"cpu"}:
            return worker
        group = cast(dist.ProcessGroup, dist.group.WORLD)
        silence_s = group._get_backend(device).options._timeout.total_seconds()
        return replace(worker, local=join(worker.rank, worker.world_size, worker.gather, silence_s))

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def parallel(self, network: nn.Module, batch: int, compiled: bool = False) -> nn.Module:
        """The network on this device, with gradients averaged and BatchNorms synchronised over the workers.

        The result is then the same for any number of workers, if each multiplies its losses by its weight and
        calls `average_gradients` before it uses gradients.
        batch: images of all workers together. Running statistics are not broadcast: they are already equal,
        and a broadcast would change tensors that an earlier forward pass of the same step still needs.
        """
        network = network.to(self.device)
        if self.world_size > 1:
            synchronise(network, self.share(batch), self.sum, compiled)
        if self.world_size > 1 and not self.local:
            ids = [self.device.index] if self.device.type == "cuda" else None
            network = DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)
        return torch.compile(network) if compiled else network  # pyright: ignore[reportReturnType]

    def part(self, batch: Tensor) -> Tensor:
        """This worker's rows of a tensor for the whole batch."""
        first, last = part_of(len(batch), self.rank, self.world_size)
        return batch[first:last]

    def share(self, batch: int) -> float:
        """This worker's fraction of a batch: 1 / world_size, or nearly if that does not divide it."""
        return self.weight(batch) / self.world_size

    def weight(self, batch: int) -> float:
        """The weight of this worker's mean over its part of a batch in a mean over workers: about one."""
        first, last = part_of(batch, self.rank, self.world_size)
        return (last - first) * self.world_size / batch

    def gather(self, value: Any) -> list[Any]:
        """Every worker's value, by rank; waits for all of them."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def run_or_fail_together(self, prepare: Callable[[], Value]) -> Value:
        """Do something that may fail on one worker. It then fails on all, so that none waits forever.

        Raises the PreimageError of the first worker that failed.
        """
        result, error = None, None
        try:
            result = prepare()
        except PreimageError as caught:
            error = caught
        for failed in self.gather(error):
            if failed:
                raise failed
        return cast(Value, result)

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on every worker."""
        return self.gather(value if self.is_main else None)[0]

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over the workers, in place."""
        if self.local and self.local.takes(values):
            return values.copy_(self.local.sum(values))
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average the gradients over the workers, if DistributedDataParallel has not done so yet."""
        if self.local:
            self.local.average_gradients(list(parameters))

    def mean(self, values: Tensor, batch: int) -> Tensor:
        """The mean over a whole batch, from each worker's mean over its own part."""
        return self.sum(values * self.share(batch))

    def maximum(self, values: Tensor) -> Tensor:
        """The largest of the workers' values, in place."""
        if self.local and self.local.takes(values):
            return values.copy_(self.local.maximum(values))
        if self.world_size > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values
