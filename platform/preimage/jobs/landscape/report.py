"""What a landscape job found, in figures and beside what the paper says."""

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


def summary(results: list[Results], code: tuple[float, float]) -> dict[str, float]:
    """Figures of one kind of net, over its networks."""

    def mean(values: list[Tensor]) -> float:
        return torch.stack([each.double().mean() for each in values]).mean().item()

    found = {
        "reached": mean([each["reached"] for each in results]),
        "reached_negative": mean([each["reached_negative"] for each in results]),
        "another_code": mean([each["same_image"] & ~each["reached"] for each in results]),
        "minima": mean([each["minima"] for each in results]),
        "flat_area": mean([each["flat_area"] for each in results]),
        "curvature_ratio": mean([_ratio(each["curvatures"]) for each in results]),
    }
    others = torch.cat([each["others"] for each in results])
    if len(others):
        true = torch.tensor(code)
        found["other_minimum_along"] = (others @ true / true.square().sum()).mean().item()
        found["other_minimum_cosine"] = torch.cosine_similarity(others, true[None]).mean().item()
    return found


def _ratio(curvatures: Tensor) -> Tensor:
    """The smallest curvature at z* over the largest: 0 in a flat valley."""
    return curvatures[0].clamp(min=0) / curvatures[-1] if curvatures[-1] > 0 else torch.tensor(0.0)


def nets_table(found: dict[str, dict[str, float]]) -> str:
    """A line for each kind of net, in Markdown."""
    lines = [
        "| net | descents that reach z* | with a restart from -z_hat | minima reached | others lie at | "
        "same image, another code | flat area | least / largest curvature at z* | the paper |",
        "|---" * 9 + "|",
    ]
    for kind, each in found.items():
        where = f"{each['other_minimum_along']:.2f} z*" if "other_minimum_along" in each else "-"
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
