"""compare-reconstructions: how well methods with a generator and codes reconstruct images (glo, 3.3.1)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from preimage.data.config import DataConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.methods import Method, MethodRef
from preimage.jobs.row_names import require_plain

METRICS = (
    "mse", "lap1", "lap1_paper", "explained", "latent_dim", "directions", "effective_rank", "images",
    "skipped",
)  # fmt: skip
"""The metrics of each method."""
PAIR = frozenset({"GLO (L2)", "PCA"})
"""The two methods that `glo_beats_pca` and `glo_is_flatter_than_pca` compare."""


class CompareReconstructionsJob(Job):
    """Compare methods by how well they reconstruct a dataset's images (glo, table 1, figures 1 and 2)."""

    job: Literal["compare-reconstructions"] = "compare-reconstructions"
    methods: Annotated[dict[str, MethodRef], Field(min_length=1)]
    """The methods, by their names in the table: each the step, run or folder that leaves both a generator and
    a store, or one for each. `PCA`, `DCAE`, `GAN`, `GLO (L2)` and `GLO (Lap1)` are the paper's."""
    dimensions: tuple[MethodRef, ...] = ()
    """Methods of different latent dimensions, to draw their reconstructions side by side (glo, figure 1)."""
    data: DataConfig | None = None
    """The images; without it those that the first method's generator was trained on."""

    @field_validator("methods")
    @classmethod
    def _names_are_plain(cls, methods: dict[str, Method]) -> dict[str, Method]:
        require_plain(methods, "a method")
        return methods

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def metrics(self) -> Metrics:
        """`ordering` lists the methods from the lowest squared error up; the `table` has each one's own."""
        pair = ("glo_beats_pca", "glo_is_flatter_than_pca") if self.methods.keys() >= PAIR else ()
        table = [f"table.{name}.{each}" for name in self.methods for each in METRICS]
        return (*headline("ordering", is_text=True), *headline(*pair), *others("images", *table))

    def cost(self, images: int | None) -> dict[str, int]:
        return {} if images is None else {"images made": images * len(self.methods)}

    def run(self, context: Context) -> Result:
        from preimage.jobs.compare_reconstructions.run import run

        return run(self, context)
