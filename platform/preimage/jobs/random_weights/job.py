"""random-weights: reconstruct real images through generators that were never trained."""

from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.config import DataConfig
from preimage.inversion.solvers import SOLVERS
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.published import RANDOM_WEIGHTS, PaperSettings
from preimage.models.config import DcganConfig
from preimage.models.dcgan_size import doublings

CURVE = 80
"""About how many points a loss curve has."""


class RandomWeightsJob(Job):
    """Reconstruct real images through untrained generators (flexible-priors, section C, figures 6 and 7)."""

    job: Literal["random-weights"] = "random-weights"
    datasets: dict[Annotated[str, Field(pattern=r"^[\w-]+$")], DataConfig]
    """The sets of images, by their names in tables and figures."""
    latent_dims: tuple[PositiveInt, ...] = (20, 200, 2000)
    """Components of a code. The paper uses 20 in its other experiments and names none for this one."""
    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    base_channels: PositiveInt = 64
    """Filters of the layer next to the image."""
    images: PositiveInt = 256
    """Images of each dataset."""
    networks: PositiveInt = 4
    """How many generators, each with its own random weights, reconstruct the images."""
    solver: Annotated[str, SOLVERS] = "adam"
    """One that has a learning rate."""
    lr: PositiveFloat = 0.05
    steps: PositiveInt = 400
    after: tuple[PositiveInt, ...] = (5, 20, 400)
    """Steps after which reconstructions are drawn and losses reported."""

    @model_validator(mode="after")
    def _that_can_be_done(self) -> "RandomWeightsJob":
        if SOLVERS[self.solver].lr is None:
            raise ValueError(f"{self.solver} has no learning rate: choose another solver, such as adam")
        if not self.datasets or not self.latent_dims:
            raise ValueError("datasets and latent_dims must each name at least one")
        for name, data in self.datasets.items():
            doublings(data.size, f"datasets.{name}.size")
        if not self.after or max(self.after) > self.steps:
            raise ValueError(f"after must name steps up to {self.steps}, but is {list(self.after)}")
        return self

    @property
    def paper(self) -> PaperSettings:
        return RANDOM_WEIGHTS

    @property
    def kept(self) -> list[int]:
        """The steps on the loss curve: those of `after`, and others that are dense at first."""
        spaced = {round(self.steps ** (i / CURVE)) for i in range(CURVE + 1)}
        return sorted({0, *self.after} | spaced)

    @property
    def pairs(self) -> list[tuple[str, int]]:
        """Every pair of a dataset's name and a number of components."""
        return list(product(self.datasets, self.latent_dims))

    def dcgan(self, dataset: str, latent_dim: int) -> DcganConfig:
        """The generator for a dataset's images, with codes of so many components."""
        data = self.datasets[dataset]
        return DcganConfig.model_validate(
            {
                "latent_dim": latent_dim,
                "prior": "normal",
                "image_size": data.size,
                "channels": data.channels,
                "kernel_size": self.kernel_size,
                "base_channels": self.base_channels,
            }
        )

    def metrics(self) -> Metrics:
        """For each dataset and number of components: the mean loss after each step, the fraction of the
        images' variance explained after the last one, and how often the mean loss rose on its way there."""
        losses = [
            f"loss_{name}_{latent_dim}_after_{step}"
            for name, latent_dim in self.pairs
            for step in (0, *self.after)
        ]
        explained = [f"explained_{name}_{latent_dim}" for name, latent_dim in self.pairs]
        rises = [f"rises_{name}_{latent_dim}" for name, latent_dim in self.pairs]
        return (*headline("best_explained", "worst_explained"), *others(*losses, *explained, *rises))

    def cost(self, images: int | None) -> dict[str, int]:
        """A step is a forward and a backward pass."""
        searches = len(self.pairs) * self.images * self.networks
        return {"searches": searches, "generator evaluations at most": 2 * searches * (self.steps + 1)}

    def run(self, context: Context) -> Result:
        from preimage.jobs.random_weights.run import run

        return run(self, context)
