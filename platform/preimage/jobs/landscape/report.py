"""The landscape job's metrics and table, beside what the paper says."""

import torch
from torch import Tensor

from preimage.work.trials import Results

TITLES = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "counter_example": "ReLU, weights on [0, 1]",
}
PAPER = {
    "relu": "one global minimum; no descent ends elsewhere",
    "leaky_relu": "as ReLU",
    "sigmoid": "quasi-convex",
    "tanh": "quasi-convex",
    "counter_example": "a flat global minimum: many codes, one image",
}
"""partial-measurements, section 4.2 and figure 4."""


def summary(results: list[Results], code: tuple[float, float]) -> dict[str, float | None]:
    """The metrics of one kind of net, averaged over its networks.

    `other_minimum_...` say where the minima other than z* lie; None where no descent ends in one.
    """

    def mean(values: list[Tensor]) -> float:
        return torch.stack([each.double().mean() for each in values]).mean().item()

    return {
        "reached": mean([each["reached"] for each in results]),
        "reached_negative": mean([each["reached_negative"] for each in results]),
        "another_code": mean([each["same_image"] & ~each["reached"] for each in results]),
        "minima": mean([each["minima"] for each in results]),
        "flat_area": mean([each["flat_area"] for each in results]),
        "curvature_ratio": mean([_ratio(each["curvatures"]) for each in results]),
        **_other_minima(torch.cat([each["others"] for each in results]), torch.tensor(code)),
    }


def _other_minima(others: Tensor, code: Tensor) -> dict[str, float | None]:
    """Where minima (n, 2) lie: their projections in units of z*, and cosines with it; None for no minima."""
    if not len(others):
        return {"other_minimum_along": None, "other_minimum_cosine": None}
    return {
        "other_minimum_along": (others @ code / code.square().sum()).mean().item(),
        "other_minimum_cosine": torch.cosine_similarity(others, code[None]).mean().item(),
    }


def _ratio(curvatures: Tensor) -> Tensor:
    """The smallest curvature at z* over the largest: 0 in a flat valley."""
    return curvatures[0].clamp(min=0) / curvatures[-1] if curvatures[-1] > 0 else torch.tensor(0.0)


def nets_table(found: dict[str, dict[str, float | None]]) -> str:
    """Markdown, a row for each kind of net."""
    lines = [
        "| net | descents that reach z* | with a restart from -z_hat | minima reached | others lie at | "
        "same image, another code | flat area | least / largest curvature at z* | the paper |",
        "|---" * 9 + "|",
    ]
    for kind, each in found.items():
        along = each["other_minimum_along"]
        where = "-" if along is None else f"{along:.2f} z*"
        lines.append(
            f"| {TITLES[kind]} | {each['reached']:.1%} | {each['reached_negative']:.1%} | "
            f"{each['minima']:.2f} | {where} | {each['another_code']:.1%} | {each['flat_area']:.2%} | "
            f"{each['curvature_ratio']:.3f} | {PAPER[kind]} |"
        )
    note = (
        "Theorem 1 allows another stationary point at a negative multiple of z*; for two infinitely wide "
        "ReLU layers that is -z*/pi = -0.32 z*."
    )
    return "\n".join([*lines, "", note, ""])
