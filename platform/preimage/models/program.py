"""A network as a list of PyTorch operators: what is stored of a stranger's network. It needs no code of
theirs, on any machine, and reading it runs none.

It says what `torch.export` found (`importing.archive`) in a form of our own, for PyTorch's evaluates text and
unpickles when it is loaded.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from preimage.config import Config
from preimage.errors import ProgramError
from preimage.models.operators import TEXTS, UnknownOperator, operator_of

PROGRAM = "program.json"
DTYPES = (
    *("uint8", "int8", "int16", "int32", "int64", "bool"),
    *("float16", "bfloat16", "float32", "float64"),
)
"""Types of tensors, by PyTorch's names."""
CODED = {"ScalarType": "dtype", "MemoryFormat": "memory_format", "Device": "device"} | dict.fromkeys(
    ("Layout", "Generator"), "default"
)
"""How `Call` writes arguments that PyTorch takes as plain numbers too, of which it checks none: a wrong one
ends the process."""


class TensorInfo(Config):
    """A stored tensor, without its values."""

    shape: tuple[int, ...]
    dtype: str


class Call(Config):
    """One operator, its arguments by name in their order, and the names of its results.

    An argument is a number, a bool, text, None, a list of arguments, or one of {"value": NAME}, an earlier
    result; {"dtype": NAME}; {"memory_format": NAME}; {"device": "codes"}, where the codes are; and
    {"number": "inf"}, a float that JSON does not have.
    """

    operator: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    results: list[str]


class Graph(Config):
    """A network's operators in the order in which they run; the content of program.json."""

    format: Literal[1] = 1
    inputs: list[str]
    tensors: dict[str, TensorInfo]
    calls: list[Call]
    output: str


class Program(nn.Module):
    """A network that runs a graph. Its tensors are parameters where they are floats, and frozen.

    Raises ValueError, of which UnknownOperator is one, for a graph that cannot run here.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        for name, info in graph.tensors.items():
            tensor = torch.empty(info.shape, dtype=dtype_of(info.dtype))
            if tensor.is_floating_point():
                self.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
            else:
                self.register_buffer(name, tensor)
        self._steps = [_step(call) for call in graph.calls]
        self._in_place = any(_changes_its_arguments(function) for function, _, _ in self._steps)
        self._last_use = _last_uses(graph)
        _require_defined(graph)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs in the graph's order, codes first, to its output. Leaves inputs and weights as they are.

        Raises ProgramError.
        """
        own: dict[str, Any] = {**self._parameters, **self._buffers}
        if not self._in_place:
            return self._run(own | dict(zip(self.graph.inputs, inputs, strict=True)), inputs[0])
        before = _versions(own)
        copies = [each.clone() for each in inputs]
        made = self._run(own | dict(zip(self.graph.inputs, copies, strict=True)), inputs[0])
        if before != _versions(own):
            raise ProgramError("the network changes its own weights when it runs")
        return made

    def _run(self, values: dict[str, Any], codes: Tensor) -> Tensor:
        device, real = codes.device, codes.dtype
        for call, (function, positional, named), used in zip(
            self.graph.calls, self._steps, self._last_use, strict=True
        ):
            arguments = [self._value(each, values, device, real) for each in positional]
            keywords = {name: self._value(each, values, device, real) for name, each in named.items()}
            try:
                result = function(*arguments, **keywords)
                results = result if isinstance(result, tuple | list) else (result,)
                values.update(zip(call.results, results, strict=True))
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # torch raises many kinds, and asserts where it looks at shapes alone
                reason = str(error).strip().partition("\n")[0][:200]
                raise ProgramError(f"{reason} ({call.operator} of an imported network)") from error
            for name in used:  # frees activations that nothing needs any more
                values.pop(name, None)
        return values[self.graph.output]

    def _value(self, given: Any, values: Mapping[str, Any], device: torch.device, real: torch.dtype) -> Any:
        """An argument as the operator takes it. Floats follow the codes' precision."""
        if isinstance(given, list):
            return [self._value(each, values, device, real) for each in given]
        if not isinstance(given, dict):
            return given
        kind, name = next(iter(given.items()))
        if kind == "value":
            return values[name]
        if kind == "dtype":
            return real if name == "float32" else dtype_of(name)
        if kind == "memory_format":
            return getattr(torch, name)
        return device if kind == "device" else float(name)


def dtype_of(name: str) -> torch.dtype:
    """PyTorch's type of that name. Raises ValueError for any other name."""
    if name not in DTYPES:
        raise ValueError(f"{name!r} is not a type of tensors")
    return getattr(torch, name)


def values_in(given: Any) -> Iterator[str]:
    """The names of the earlier results in an argument, or in a list of them."""
    if isinstance(given, list):
        for each in given:
            yield from values_in(each)
    elif isinstance(given, dict) and "value" in given:
        yield given["value"]


def _step(call: Call) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """The function of a call, its positional arguments and its named ones."""
    function = operator_of(call.operator)
    for name, each in call.arguments.items():
        _require_plain(each, f"{name} of {call.operator}", name in TEXTS)
    if call.operator.startswith("operator."):
        return function, list(call.arguments.values()), {}
    known = {each.name: each for each in function._schema.arguments}  # pyright: ignore[reportFunctionMemberAccess]
    if unknown := call.arguments.keys() - known.keys():
        raise UnknownOperator(f"{call.operator} takes no {', '.join(sorted(unknown))}")
    if function is torch.ops.aten.view.default:  # which refuses the layout of quicker convolutions
        function = torch.ops.aten.reshape.default
    arguments = dict(call.arguments)
    if "device" in known and arguments.get("device") is None:  # PyTorch's own default is the CPU
        arguments["device"] = {"device": "codes"}
    for name, each in arguments.items():
        kind = CODED.get(str(known[name].real_type).removeprefix("Optional[").removesuffix("]"))
        if kind and each is not None and not (isinstance(each, dict) and kind in each):
            raise ValueError(f"the argument {name} of {call.operator} is {each!r}")
    positional = [each for each in known.values() if not each.kwarg_only]
    while positional and positional[-1].name not in arguments:
        positional.pop()
    named = {name: each for name, each in arguments.items() if known[name].kwarg_only}
    return function, [arguments.get(each.name, each.default_value) for each in positional], named


def _versions(tensors: Mapping[str, Tensor]) -> list[int]:
    """How often each tensor was changed in place, also by way of its views."""
    return [each._version for each in tensors.values() if not each.is_inference()]


def _changes_its_arguments(function: Callable[..., Any]) -> bool:
    schema = getattr(function, "_schema", None)  # Python's operators have none
    return schema is not None and schema.is_mutable


def _require_plain(given: Any, where: str, may_be_text: bool) -> None:
    """Raises ValueError unless an argument is one of those that `Call` describes."""
    if isinstance(given, list):
        for each in given:
            _require_plain(each, where, may_be_text)
    elif isinstance(given, dict):
        kind, name = next(iter(given.items()), ("", ""))
        known = len(given) == 1 and isinstance(name, str)
        if kind == "dtype":
            dtype_of(name)
        elif kind == "memory_format":
            known = known and isinstance(getattr(torch, name, None), torch.memory_format)
        elif kind == "number":
            known = name in ("inf", "-inf", "nan")
        elif kind != "value":
            known = known and given == {"device": "codes"}
        if not known:
            raise ValueError(f"the argument {where} is {given!r}")
    elif isinstance(given, str) and (given == "trunc" or not may_be_text):  # -2**63 / -1 ends the process
        raise UnknownOperator(f"the argument {where} is text, {given[:40]!r}")


def _last_uses(graph: Graph) -> list[list[str]]:
    """For each call, the values that no later call uses."""
    seen, last = {graph.output}, []
    for call in reversed(graph.calls):
        names = {*values_in(list(call.arguments.values())), *call.results}
        last.append(sorted(names - seen))
        seen |= names
    return last[::-1]


def _require_defined(graph: Graph) -> None:
    """Raises ValueError if a call uses what no earlier one made."""
    known = {*graph.inputs, *graph.tensors}
    for call in graph.calls:
        if missing := set(values_in(list(call.arguments.values()))) - known:
            raise ValueError(f"{call.operator} uses {', '.join(sorted(missing))}, which nothing made before")
        known |= set(call.results)
    if graph.output not in known:
        raise ValueError(f"nothing makes the output {graph.output}")
