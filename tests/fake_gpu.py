"""A GPU of which there is none: tensors have its device and shapes but no values, so that whatever mixes
devices fails as on a GPU, and whatever the host reads of it is counted.

Gradients are not computed: they have the shapes of what they are of.
"""

import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from preimage import to_device
from preimage.objectives import lap1
from preimage.random_streams import Stream

GPU = torch.device("cuda", 0)
SHAPED_BY_VALUES = ("aten.nonzero", "aten._unique", "aten.masked_select")
DRAWS = ("rand", "randn", "multinomial", "randint")


@dataclass
class Reads:
    """Where the host waited for the GPU, and what it copied there from memory that is not pinned."""

    places: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)


class _Watched(TorchDispatchMode):
    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self.reads = reads

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, first = str(func), args[0] if args else None
        if name.startswith("aten._local_scalar_dense"):
            return self._value(first)
        if name.startswith("aten._fused_sgd"):  # it has no form without values
            return _require_one_device(args, kwargs)
        if name.startswith(SHAPED_BY_VALUES) and first.device.type == "cuda":
            self.reads.places.append(_ours())
        made = func(*args, **(kwargs or {}))
        if name.startswith("aten._to_copy") and first.device != made.device:
            (self.reads.copies if made.device.type == "cuda" else self.reads.places).append(_ours())
        return made

    def _value(self, scalar: Tensor) -> float | bool:
        """One that stops nothing: a count of steps on the host, no sign of what is not finite on the GPU."""
        if scalar.device.type == "cpu":
            return 1.0 if scalar.is_floating_point() else 0
        self.reads.places.append(_ours())
        return False if scalar.dtype == torch.bool else 0.0


def _require_one_device(*arguments: Any) -> None:
    devices = {each.device for each in tree_leaves(arguments) if isinstance(each, Tensor)}
    assert len(devices) == 1, f"a fused update of tensors on {devices}"


def _ours() -> str:
    """The innermost line of the package."""
    frames = [each for each in traceback.extract_stack() if "/preimage/" in each.filename]
    return f"{frames[-1].filename.split('/preimage/')[1]}:{frames[-1].name}" if frames else "?"


class _Generator:
    """A random generator of the GPU."""

    device = GPU

    def get_state(self) -> Tensor:
        return torch.zeros(16, dtype=torch.uint8)


@contextmanager
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tensors and networks be on GPU within."""
    _patch(monkeypatch)
    lap1._matrices.cache_clear()
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield
    lap1._matrices.cache_clear()


@contextmanager
def watched() -> Iterator[Reads]:
    """What the host reads of the GPU within."""
    with ExitStack() as stack:
        reads = Reads()
        stack.enter_context(_Watched(reads))
        yield reads


def _patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch cannot do without a GPU's driver."""
    original = Stream.generator

    def generator(self: Stream, seed: int, *indices: int, device: Any = "cpu") -> Any:
        on_gpu = torch.device(device).type == "cuda"
        return _Generator() if on_gpu else original(self, seed, *indices)

    monkeypatch.setattr(Stream, "generator", generator)
    for name in DRAWS:
        monkeypatch.setattr(torch, name, _drawing(getattr(torch, name)))
    monkeypatch.setattr(nn.Module, "_apply", _apply)
    monkeypatch.setattr(Tensor, "backward", _backward)
    monkeypatch.setattr(torch.autograd, "grad", _grad)
    monkeypatch.setattr(Tensor, "pin_memory", _pinned)
    monkeypatch.setattr(
        to_device, "_pinned_like", lambda tensor, count: tensor.new_empty((count, *tensor.shape[1:]))
    )


def _pinned(self: Tensor) -> Tensor:
    return self


def _drawing(original: Any) -> Any:
    def draw(*args: Any, generator: Any = None, **how: Any) -> Tensor:
        return original(
            *args, **how, **({} if isinstance(generator, _Generator) else {"generator": generator})
        )

    return draw


def _apply(self: nn.Module, fn: Any, recurse: bool = True) -> nn.Module:
    """As the original; it exchanges the insides of a parameter, which a fake one does not allow."""
    for child in self.children():
        child._apply(fn)
    for name, each in self._parameters.items():
        if each is not None:
            self._parameters[name] = nn.Parameter(fn(each.detach()), each.requires_grad)
    for name, each in self._buffers.items():
        if each is not None:
            self._buffers[name] = fn(each)
    return self


def _backward(self: Tensor, gradient: Tensor | None = None, inputs: Any = None, **_: Any) -> None:
    _require_like(gradient, self)
    for leaf in list(_leaves(self)) if inputs is None else inputs:
        leaf.grad = torch.empty_like(leaf)


def _grad(of: Tensor, at: Tensor, gradient: Tensor | None = None, **_: Any) -> tuple[Tensor]:
    _require_like(gradient, of)
    return (torch.empty_like(at),)


def _require_like(gradient: Tensor | None, of: Tensor) -> None:
    found = of.detach() if gradient is None else gradient
    assert (found.device, found.dtype, found.shape) == (of.device, of.dtype, of.shape)


def _leaves(output: Tensor) -> Iterator[Tensor]:
    seen, left = set(), [output.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if hasattr(node, "variable"):
                yield node.variable
            left += [each for each, _ in node.next_functions]
