"""The results of a reconstruction-table job: methods by datasets, the paper's errors beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from preimage.figures.tables import markdown
from preimage.jobs.compare_reconstructions.figures import Errors
from preimage.jobs.compare_reconstructions.report import CompareReconstructionsReport


@dataclass(frozen=True)
class ReconstructionTableReport:
    """The reports of all datasets, by name."""

    reports: Mapping[str, CompareReconstructionsReport]

    @property
    def errors(self) -> dict[str, Errors]:
        """The squared errors by method, ours and the paper's, for each dataset."""
        return {data: Errors(each.errors("mse"), each.paper) for data, each in self.reports.items()}

    def metrics(self) -> dict[str, Any]:
        agree = [same for each in self.errors.values() for same in _ranked_alike(each)]
        return {
            "as_in_paper": sum(agree),
            "pairs": len(agree),
            "images": sum(each.dataset.count for each in self.reports.values()),
            "table": {data: each.metrics()["table"] for data, each in self.reports.items()},
        }

    def table(self) -> str:
        """Markdown: one table of all datasets, then each one's own."""
        names = list(dict.fromkeys(name for each in self.reports.values() for name in each.rows))
        rows = [["MSE (the paper's)", *self.reports]]
        rows += [[name, *(_cell(each, name) for each in self.errors.values())] for name in names]
        own = [f"## {data}\n\n{each.table()}" for data, each in self.reports.items()]
        return "\n\n".join([markdown(rows), self._verdict, *own]).rstrip() + "\n"

    @property
    def _verdict(self) -> str:
        found = self.metrics()
        if not found["pairs"]:
            return "The paper has none of these datasets."
        return (
            f"Of {found['pairs']} pairs of methods on a dataset whose errors differ in the paper, "
            f"{found['as_in_paper']} rank as there (glo, table 1)."
        )


def _ranked_alike(errors: Errors) -> list[bool]:
    """Whether ours differ in the same direction, for each pair whose errors differ in the paper."""
    ours, paper = errors
    pairs = [pair for pair in combinations(paper, 2) if paper[pair[0]] != paper[pair[1]]]
    return [(ours[a] < ours[b]) == (paper[a] < paper[b]) for a, b in pairs]


def _cell(errors: Errors, name: str) -> str:
    if name not in errors.ours:
        return "-"
    return f"{errors.ours[name]:.3g}" + (f" ({errors.paper[name]:g})" if name in errors.paper else "")
