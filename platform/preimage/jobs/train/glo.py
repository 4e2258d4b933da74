"""train-glo: a generator without a discriminator, and one learned code for each image."""

from math import prod
from typing import Annotated, ClassVar, Literal

from preimage.data.catalog import Catalog
from preimage.jobs.base import Context, Metrics, Result
from preimage.jobs.train.base import TrainGeneratorJob, metrics_with_codes
from preimage.latents.priors import PriorName
from preimage.models.pca_size import require_possible
from preimage.training.config import CodesConfig, OptimizerConfig
from preimage.training.glo_losses import GLO_LOSSES
from preimage.training.metric_names import CODE_METRICS


class TrainGloJob(TrainGeneratorJob):
    """Train a generator and a code for every image together (GLO)."""

    makes: ClassVar[frozenset[str]] = frozenset({"generator", "store"})
    PRIOR: ClassVar[PriorName] = "gaussian-in-ball"
    RECORDED: ClassVar[tuple[str, ...]] = CODE_METRICS
    job: Literal["train-glo"] = "train-glo"
    loss: Annotated[str, GLO_LOSSES] = "l2"
    """l2: the squared error's mean over pixels; lap1: the L1 distance of the Laplacian pyramids, whose levels
    count equally; lap1-paper: the same with the printed weights 2^-2j, which favour the finest level."""
    codes: CodesConfig = CodesConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="sgd", lr=1.0)
    """The generator's, on the loss averaged over the batch."""

    def metrics(self) -> Metrics:
        return metrics_with_codes(self.recorded())

    def check(self, catalog: Catalog) -> None:
        super().check(catalog)
        if self.codes.init != "random":
            pixels = prod(self.data.shape)
            require_possible(self.model.latent_dim, catalog.count(self.data), pixels)

    def run(self, context: Context) -> Result:
        from preimage.jobs.train.run_glo import run

        return run(self, context)
