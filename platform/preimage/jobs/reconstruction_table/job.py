"""reconstruction-table: how well methods reconstruct the images of several datasets (glo, table 1)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compare_reconstructions.job import METRICS
from preimage.jobs.methods import Method, MethodRef
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
        from preimage.jobs.reconstruction_table.run import run

        return run(self, context)
