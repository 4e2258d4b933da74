"""reconstruction-table: how it runs."""

import re

from preimage.jobs.base import Context, Result
from preimage.jobs.compare_reconstructions.compare import (
    compare,
    open_method,
    reconstructions_png,
    shared_dataset,
)
from preimage.jobs.compare_reconstructions.figures import table_png
from preimage.jobs.compare_reconstructions.report import CompareReconstructionsReport
from preimage.jobs.reconstruction_table.job import ReconstructionTableJob
from preimage.jobs.reconstruction_table.report import ReconstructionTableReport


def run(job: ReconstructionTableJob, context: Context) -> Result:
    """Measure every method on its dataset's images.

    Raises GeneratorError or StoreError, with the method's name, if a store belongs to another generator,
    if a dataset's stores are of different images, or if codes and images are out of step.
    """
    reports: dict[str, CompareReconstructionsReport] = {}
    pictures: dict[str, bytes] = {}
    for data, names in job.datasets.items():
        methods = [open_method(name, f"datasets.{data}.{name}", context) for name in names]
        dataset = shared_dataset(methods, None, context)
        reports[data] = compare(methods, dataset, context)
        shown = reconstructions_png(methods, reports[data].with_errors(), dataset)
        pictures[f"reconstructions-{_file_name(data)}.png"] = shown
    report = ReconstructionTableReport(reports)
    return Result(report.metrics(), {"table.png": table_png(report.errors)} | pictures, report.table())


def _file_name(dataset: str) -> str:
    """Letters, digits and -, as names differ by more than other signs."""
    return re.sub(r"[^\w-]+", "-", dataset).strip("-").lower()
