"""Run a stranger's network for the shapes alone, before any memory is taken for it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from preimage.errors import ProgramError
from preimage.models.program import Graph, Program
from preimage.models.weights import MISFIT

MOST_VALUES = 1 << 31
"""Of one tensor, for two codes: 8 GiB in float32. A decoder of 1024 x 1024 pixels needs a quarter of it."""


def dry_run(graph: Graph, inputs: Sequence[Tensor]) -> Tensor:
    """What a network makes of inputs (2, ...), codes first, without its values.

    Raises ProgramError if it fails for these shapes, makes no tensor, or one of more than MOST_VALUES.
    """
    try:
        _require_modest(inputs)
        with torch.device("meta"):
            program = Program(graph)
        with torch.no_grad(), _Modest():
            made: Any = program(*(each.to("meta") for each in inputs))
    except ProgramError:
        raise
    except MISFIT as error:
        raise ProgramError(str(error)) from error
    if not isinstance(made, Tensor):
        raise ProgramError(f"the network makes a {type(made).__name__}, not images")
    return made


class _Modest(TorchDispatchMode):
    """Refuses tensors of absurd sizes, within operators too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        _require_modest(made)
        return made


def _require_modest(tensors: Any) -> None:
    most = max((each.numel() for each in tree_leaves(tensors) if isinstance(each, Tensor)), default=0)
    if most > MOST_VALUES:
        raise ValueError(f"the network makes {most:,} values at once, and {MOST_VALUES:,} are the most")
