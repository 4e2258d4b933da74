"""Operators that read past the end of a weight of the wrong size, written with others that check theirs."""

from typing import Any

from preimage.models.program import Call


def _batch_norm(given: dict[str, Any], results: list[str]) -> list[Call]:
    arguments = given | {"training": False, "cudnn_enabled": True}
    return [Call(operator="aten.batch_norm.default", arguments=arguments, results=results[:1])]


def _weight_norm(given: dict[str, Any], results: list[str]) -> list[Call]:
    v, norm, scale = given["v"], f"{results[0]}.norm", f"{results[0]}.scale"
    of = {"v": v, "pow": 2, "dim": given.get("dim", 0)}
    divided = {"self": given["g"], "other": {"value": norm}}
    return [
        Call(operator="aten.norm_except_dim.default", arguments=of, results=[norm]),
        Call(operator="aten.div.Tensor", arguments=divided, results=[scale]),
        Call(operator="aten.mul.Tensor", arguments={"self": v, "other": {"value": scale}}, results=results),
    ]


CHECKED_FORMS = {
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten._weight_norm.default": _weight_norm,
}
"""Of an operator's arguments and the names of its results, by its name."""
