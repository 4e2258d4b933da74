"""reconstruction-table: how well methods reconstruct the images of several datasets (glo, table 1)."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compare_reconstructions.compare import (
    compare,
    open_method,
    reconstructions_png,
    shared_dataset,
)
from preimage.jobs.compare_reconstructions.figures import table_png
from preimage.jobs.compare_reconstructions.report import METRICS, CompareReconstructionsReport
from preimage.jobs.methods import Method, MethodRef
from preimage.jobs.reconstruction_table.report import ReconstructionTableReport
from preimage.jobs.row_names import require_plain


class ReconstructionTableJob(Job):
    """Compare methods by how well they reconstruct the images of each of several datasets (glo, table 1).

    The images are those that a dataset's first generator was trained on.
    """

    job: Literal["reconstruction-table"] = "reconstruction-table"
    datasets: Annotated[dict[str, Annotated[dict[str, MethodRef], Field(min_length=1)]], Field(min_length=1)]
    """For each dataset, by its name in the table, the methods as `methods` of compare-reconstructions has
    them. A dataset may lack some of them."""

    @field_validator("datasets")
    @classmethod
    def _names_are_plain(cls, datasets: dict[str, dict[str, Method]]) -> dict[str, dict[str, Method]]:
        require_plain(datasets, "a dataset")
        for methods in datasets.values():
            require_plain(methods, "a method")
        return datasets

    def metrics(self) -> Metrics:
        """`as_in_paper` counts the pairs of methods that rank as in the paper's table, `pairs` all pairs."""
        names = (f"table.{data}.{name}" for data, methods in self.datasets.items() for name in methods)
        return (
            *headline("as_in_paper", "pairs"),
            *others("images", *(f"{name}.{each}" for name in names for each in METRICS)),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        return {"methods measured": sum(map(len, self.datasets.values()))}

    def run(self, context: Context) -> Result:
        """Measure every method on its dataset's images.

        Raises GeneratorError or StoreError, with the method's name, if a store belongs to another generator,
        if a dataset's stores are of different images, or if codes and images are out of step.
        """
        reports: dict[str, CompareReconstructionsReport] = {}
        pictures: dict[str, bytes] = {}
        for data, names in self.datasets.items():
            methods = [open_method(name, f"datasets.{data}.{name}", context) for name in names]
            dataset = shared_dataset(methods, None, context)
            reports[data] = compare(methods, dataset, context)
            pictures[f"reconstructions-{_file_name(data)}.png"] = reconstructions_png(methods, dataset)
        report = ReconstructionTableReport(reports)
        return Result(report.metrics(), {"table.png": table_png(report.errors)} | pictures, report.table())


def _file_name(dataset: str) -> str:
    """Letters, digits and -, as names differ by more than other signs."""
    return re.sub(r"[^\w-]+", "-", dataset).strip("-").lower()
