"""pca: the principal components of a dataset, as a generator and the codes of its images (glo, section 3)."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

from preimage.config import PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.models.config import LinearConfig
from preimage.models.pca_size import require_possible

PASSES = 8
"""Over the images, about: photographs and digits take five to seven, and their codes one more."""


class PcaJob(Job):
    """Keep the first principal components of a dataset. It runs in this process, whatever the backend."""

    makes: ClassVar[frozenset[str]] = frozenset({"generator", "store"})
    told_apart_by: ClassVar[Mapping[str, str]] = {"latent_dim": "d"}

    job: Literal["pca"] = "pca"
    data: DataConfig
    latent_dim: PositiveInt = 100
    """Components to keep: the components of a code."""

    @property
    def own_data(self) -> DataConfig:
        return self.data

    @property
    def made_generator(self) -> LinearConfig:
        return LinearConfig(
            latent_dim=self.latent_dim,
            prior="gaussian",
            image_size=self.data.size,
            channels=self.data.channels,
        )

    def metrics(self) -> Metrics:
        """`explained` is the fraction of the images' variance that the components hold."""
        shown = headline("images", "latent_dim", "reconstruction_error", "explained")
        return (*shown, *others("passes"))

    def check(self, catalog: Catalog) -> None:
        """Refuse more components than pixels or images, as far as these are known before any is decoded."""
        pixels = prod(self.data.shape)
        require_possible(self.latent_dim, catalog.count(self.data), pixels)

    def cost(self, images: int | None) -> dict[str, int]:
        if images is None:
            return {"passes over the images, about": PASSES}
        return {"images": images, "images read, about": PASSES * images}

    def run(self, context: Context) -> Result:
        from preimage.jobs.pca.run import run

        return run(self, context)
