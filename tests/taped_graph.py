"""A CUDA graph on a CPU: a tape of torch's operators that replays them on the same tensors.

As on a GPU, what a capture records is not computed while it lasts, replays write to the captured tensors,
nothing of Python runs again, and the host may read nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Graph(TorchDispatchMode):
    """The tape, and the mode that records it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.generators: list[torch.Generator] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        if kwargs.get("generator") is not None and not self.generators:
            raise RuntimeError("a generator that the graph does not know")
        out = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, out in self.calls:
            again = func(*args, **kwargs)
            if func.is_view or func._schema.is_mutable:
                continue
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                if isinstance(old, Tensor):
                    old.detach().copy_(new)


@contextmanager
def taped_graphs(algorithm: Any) -> Iterator[None]:
    """torch.cuda's graphs and streams are these; a capture leaves the algorithm as it was."""

    @contextmanager
    def capture(graph: Graph) -> Iterator[None]:
        tensors, random = _tensors(algorithm), algorithm.random.get_state()
        before = [each.detach().clone() for each in tensors]
        with graph:
            yield
        for now, then in zip(tensors, before, strict=True):
            now.detach().copy_(then)
        algorithm.random.set_state(random)

    stream = SimpleNamespace(wait_stream=lambda _: None)
    with mock.patch.multiple(
        torch.cuda,
        CUDAGraph=Graph,
        graph=capture,
        Stream=lambda: stream,
        current_stream=lambda: stream,
        stream=mock.MagicMock(),
        synchronize=lambda: None,
    ):
        yield


def _tensors(algorithm: Any) -> list[Tensor]:
    """All that a step changes."""
    networks = algorithm.networks
    states = [each.state_dict() for each in networks.unwrapped.values()]
    states += [each.state for each in networks.optimizers.values()]
    return [each for each in tree_leaves([dict(state) for state in states]) if isinstance(each, Tensor)]
