"""A GAN's step as one CUDA graph: captured once, then replayed by a single launch.

What a capture needs (torch.cuda.graph, torch.cuda.CUDAGraph): tensors of fixed addresses, so that images are
copied to a buffer; a warm-up on another stream, in which optimisers make their state and cuDNN chooses its
kernels; optimisers that count their steps on the device; no gradients left over from before; and no read by
the host. A random generator must be known to the graph, which then moves it on at every replay as a step
would.
"""

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .rows import Measured, Row, Unmeasured
from .setting import Setting, Steps, steps

WARM_UP = 4
"""Steps before the capture."""

COMPARED = 24
"""Steps after which the captured run is compared with the eager one."""


def rows(setting: Setting) -> Iterator[Row]:
    for size in setting.sizes:
        yield Row(f"captured.apart.{size}", lambda budget, s=size: apart(setting, s), 8)


def apart(setting: Setting, size: str) -> Measured:
    """How far the weights are apart after the same steps, captured and not: relative to how far they moved.
    A second eager run tells what two runs of the same differ by."""
    if setting.device.type != "cuda":
        raise Unmeasured("a step is captured on a CUDA GPU only")
    own = setting.sizes[size]
    start = _weights(steps(setting, "gan", own))
    eager, again, captured = (
        _after(steps(setting, "gan", own, wrap=wrap)) for wrap in (None, None, Captured)
    )
    moved = (eager - start).norm()
    found = ((captured - eager).norm() / moved).item()
    more = {
        "eager_apart": ((again - eager).norm() / moved).item(),
        "largest": (captured - eager).abs().max().item(),
        "bit_equal": bool((captured == eager).all()),
    }
    note = f"after {COMPARED} steps; two eager runs: {more['eager_apart']:.2g}"
    return Measured(found, "of the way", note=note, more=more)


def _after(loop: Steps) -> Tensor:
    loop.steps(COMPARED)
    return _weights(loop)


def _weights(loop: Steps) -> Tensor:
    """Of both networks, and their running statistics."""
    networks: Any = loop.algorithm
    states = (network.state_dict() for network in networks.networks.unwrapped.values())
    return torch.cat([value.detach().flatten().double() for state in states for value in state.values()])


class Captured:
    """An algorithm whose step is replayed from the fifth on. Its images are always as many."""

    def __init__(self, algorithm: Any) -> None:
        self.algorithm, self.taken = algorithm, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        for optimizer in algorithm.networks.optimizers.values():
            for group in optimizer.param_groups:
                group["capturable"] = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.algorithm, name)

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """As the algorithm's own; the metrics' tensors are overwritten by the next step."""
        if self.graph is None:
            if self.taken < WARM_UP:
                self.taken += 1
                return self._aside(rows, images, number)
            self._capture(rows, images, number)
        assert self.graph is not None
        self.rows.copy_(rows)
        self.images.copy_(images)
        self.graph.replay()
        return self.metrics

    def _aside(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """A step on a stream of its own."""
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            metrics = self.algorithm.step(rows, images, number)
        here.wait_stream(aside)
        torch.cuda.synchronize()
        return metrics

    def _capture(self, rows: Tensor, images: Tensor, number: int) -> None:
        """Record a step. Nothing is computed: the first replay is this step."""
        self.rows, self.images = rows.clone(), images.clone()
        for optimizer in self.algorithm.networks.optimizers.values():
            optimizer.zero_grad(set_to_none=True)  # gradients get addresses in the graph's own memory
        gc.collect()  # what is freed during a capture may spoil it
        graph = torch.cuda.CUDAGraph()
        _register(graph, self.algorithm.random)
        with torch.cuda.graph(graph):
            self.metrics = self.algorithm.step(self.rows, self.images, number)
        self.graph = graph


def _register(graph: torch.cuda.CUDAGraph, generator: torch.Generator) -> None:
    """Needed up to torch 2.11 or so; later ones find by themselves what a step draws from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(graph, "register_generator_state"):
            graph.register_generator_state(generator)
