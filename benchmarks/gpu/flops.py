"""Floating-point operations of a step, and what share of the card's peak they reach."""

from collections.abc import Callable, Mapping
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def flops_of(work: Callable[[], object]) -> int:
    """Those of convolutions and matrix products, forward and backward; a product and a sum count two."""
    with _Counter() as counter:
        work()
    return counter.flops


class _Counter(TorchDispatchMode):
    """torch.utils.flop_counter's formulas. Its own mode also follows modules, by hooks that autograd.grad of
    an input refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def sustained(flops: int, seconds: float, precision: str, peaks: Mapping[str, float]) -> dict[str, float]:
    """TFLOP/s over so many seconds, and their share of the products measured in this run (percent).

    peaks: TFLOP/s by precision, where they were measured.
    """
    rate = flops / seconds / 1e12
    found = {"gflop": round(flops / 1e9, 3), "tflops": round(rate, 4)}
    peak = peaks.get(precision)
    return found | ({"percent_of_matmul": round(100 * rate / peak, 2)} if peak else {})
