"""Sums over the workers of one machine, by Unix sockets and shared memory.

gloo goes through TCP and three threads, which keep the processor busy while a message waits for its reader:
BatchNorm's few kilobytes, 20 times a step, cost five times as much there, and gradients twice as much.
"""

import mmap
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

MESSAGE_BYTES = 1 << 16
"""The largest tensor to send: two fit into a socket's buffer, so that no worker waits to send."""
BUFFER_BYTES = 3 * MESSAGE_BYTES
"""Asked for, whatever a machine's default is: Linux doubles it for what it keeps beside a message."""

ALIGNMENT = 64


class LocalGroup:
    """One of the workers of a machine. All of them call the same methods in the same order.

    Sums go by rank, so that they are the same to the bit on all workers. Raises ConnectionError if another
    worker has ended, TimeoutError if it is silent.
    """

    def __init__(self, rank: int, peers: dict[int, socket.socket]) -> None:
        self.rank, self.peers, self.world_size = rank, peers, len(peers) + 1
        self.regions: list[Tensor] = []
        """Shared memory by rank, as bytes: each worker writes its own."""
        self.all_have_read = True
        """Whether the others are known to have read what this worker last wrote there."""

    def takes(self, values: Tensor) -> bool:
        """Whether `sum` takes a tensor of this size."""
        return values.nbytes <= MESSAGE_BYTES

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a small tensor over the workers."""
        return self._fold(values, torch.add)

    def maximum(self, values: Tensor) -> Tensor:
        """The largest values of a small tensor over the workers."""
        return self._fold(values, torch.maximum)

    @torch.no_grad()
    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients of parameters with their means over the workers."""
        parameters = [each for each in parameters if each.grad is not None]
        self._share(sum(_aligned(each.nbytes) for each in parameters))
        if not self.all_have_read:
            self._meet()
        by_rank = [_views(region, parameters) for region in self.regions]
        for own, parameter in zip(by_rank[self.rank], parameters, strict=True):
            torch.mul(parameter.grad, 1 / self.world_size, out=own)  # pyright: ignore[reportArgumentType]
        self._meet()
        means = torch._foreach_add(by_rank[0], by_rank[1])  # pyright: ignore[reportPrivateImportUsage]
        for views in by_rank[2:]:
            torch._foreach_add_(means, views)  # pyright: ignore[reportPrivateImportUsage]
        for parameter, mean in zip(parameters, means, strict=True):
            parameter.grad = mean
        self.all_have_read = False

    def _fold(self, values: Tensor, operator: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        own = values.detach().contiguous()
        parts = self._exchange(own)
        found = parts[0]
        for part in parts[1:]:
            found = operator(found, part)
        return found

    def _exchange(self, own: Tensor) -> list[Tensor]:
        """Every worker's tensor, by rank."""
        parts = [own if rank == self.rank else torch.empty_like(own) for rank in range(self.world_size)]
        with _named_errors():
            for peer in self.peers.values():
                peer.sendall(_bytes(own))
            for rank, peer in self.peers.items():
                _receive(peer, _bytes(parts[rank]))
        self.all_have_read = True
        return parts

    def _meet(self) -> None:
        """Wait until all workers are here, and have done all that comes before."""
        self._exchange(torch.zeros(1, dtype=torch.uint8))

    def _share(self, size: int) -> None:
        """Make shared memory of at least so many bytes for each worker, if there is not as much yet."""
        if self.regions and len(self.regions[0]) >= size:
            return
        handle = os.memfd_create("preimage-gradients")
        os.ftruncate(handle, max(size, 1))
        handles = {self.rank: handle}
        with _named_errors():
            for peer in self.peers.values():
                socket.send_fds(peer, [b"g"], [handle])
            for rank, peer in self.peers.items():
                handles[rank] = _received_handle(peer)
        self.regions = [_mapped(handles[rank], max(size, 1)) for rank in range(self.world_size)]
        self.all_have_read = True


def join(
    rank: int, world_size: int, gather: Callable[[Any], list[Any]], silence_s: float
) -> LocalGroup | None:
    """This worker's group, or None, on all workers, if they are not on one machine that can do this.

    gather: gives every worker's value, by rank, once all have called it. silence_s: how long workers wait for
    each other in one operation.
    """
    able = hasattr(os, "memfd_create")
    made = tempfile.mkdtemp(prefix="preimage-workers-") if rank == 0 and able else ""
    folder = Path(gather(made)[0] or os.devnull)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listening = _succeeds(lambda: _listen(listener, folder / str(rank), world_size))
            if not all(gather(listening)):
                return None
            peers = {low: socket.socket(socket.AF_UNIX) for low in range(rank)}
            connected = _succeeds(lambda: _connect(peers, folder, rank))
            if not all(gather(connected)):
                return None
            for _ in range(rank + 1, world_size):
                peer, _ = listener.accept()
                peers[int.from_bytes(peer.recv(4))] = peer
    finally:
        shutil.rmtree(made, ignore_errors=True) if made else None
    for peer in peers.values():
        peer.settimeout(silence_s)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    return LocalGroup(rank, dict(sorted(peers.items())))


def _listen(listener: socket.socket, path: Path, world_size: int) -> None:
    listener.bind(str(path))
    listener.listen(world_size)


def _connect(peers: dict[int, socket.socket], folder: Path, rank: int) -> None:
    for low, peer in peers.items():
        peer.connect(str(folder / str(low)))
        peer.sendall(rank.to_bytes(4))


def _succeeds(attempt: Callable[[], None]) -> bool:
    """Whether no operating system's error comes: of a path that is another machine's, or too long."""
    try:
        attempt()
    except OSError:
        return False
    return True


@contextmanager
def _named_errors() -> Iterator[None]:
    """A socket's errors, as this training's."""
    try:
        yield
    except TimeoutError as error:
        raise TimeoutError("another worker of this training is silent: it hangs, or was stopped") from error
    except ConnectionError as error:
        raise ConnectionError("another worker of this training has ended") from error


def _receive(peer: socket.socket, into: memoryview) -> None:
    while into:
        count = peer.recv_into(into)
        if not count:
            raise ConnectionResetError
        into = into[count:]


def _received_handle(peer: socket.socket) -> int:
    _, handles, _, _ = socket.recv_fds(peer, 1, 1)
    if not handles:
        raise ConnectionResetError
    return handles[0]


def _bytes(values: Tensor) -> memoryview:
    return values.view(-1).view(torch.uint8).numpy().data


def _mapped(handle: int, size: int) -> Tensor:
    """The memory behind a handle, which is closed: it lasts as long as a worker maps it."""
    memory = torch.frombuffer(mmap.mmap(handle, size), dtype=torch.uint8)
    os.close(handle)
    return memory


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _views(region: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """The tensors that lie one after another in a region, each with the strides of its parameter."""
    views, start = [], 0
    for each in parameters:
        values = region[start : start + each.nbytes].view(each.dtype)
        views.append(values.as_strided(each.shape, each.stride()))
        start += _aligned(each.nbytes)
    return views
