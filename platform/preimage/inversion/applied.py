"""A linear map whose derivative is known, for torch."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.autograd import Function

Map = Callable[[Tensor], Tensor]


class Applied(Function):
    """A linear map whose derivative is known: the map itself, and backwards its adjoint."""

    @staticmethod
    def forward(given: Tensor, there: Map, back: Map) -> Tensor:
        return there(given)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Map, Map], output: Tensor) -> None:
        _, ctx.there, ctx.back = inputs

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        return Applied.apply(slopes[0], ctx.back, ctx.there), None, None

    @staticmethod
    def jvp(ctx: Any, *along: Any) -> Any:
        return Applied.apply(along[0], ctx.there, ctx.back)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        given, there, back = args
        several = given.movedim(in_dims[0], 0)
        made: Any = Applied.apply(several.flatten(0, 1), there, back)
        return made.unflatten(0, several.shape[:2]), 0
