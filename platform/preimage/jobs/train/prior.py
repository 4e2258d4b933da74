"""train-prior: PGAN, a GAN whose images are the codes of a latent store (flexible-priors, section 3)."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from preimage.jobs.base import Context, Metrics, Result, headline, others
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.jobs.train.base import TrainJob, steps_of
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE
from preimage.models.config import PganConfig
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.metric_names import GAN_METRICS, PGAN_SCORE


class TrainPriorJob(TrainJob):
    """Learn the distribution of a latent store's codes with a second GAN (PGAN)."""

    makes: ClassVar[frozenset[str]] = frozenset({"prior"})
    RECORDED: ClassVar[tuple[str, ...]] = (*GAN_METRICS, PGAN_SCORE)
    job: Literal["train-prior"] = "train-prior"
    store: StoreRef
    """The codes: an earlier step, a run's name or a latent store's folder."""
    generator: GeneratorRef | None = None
    """The generator of these codes. If given, grids of samples are drawn through it."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The fraction of the codes that is held out of training, to compare the prior with."""
    model: PganConfig = PganConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="rmsprop", lr=3e-4)
    training: LoopConfig = LoopConfig(
        total_images=500_000, batch_size=100, log_every=10_000, sample_every=100_000, checkpoint_every=50_000
    )
    """Codes count as images. Every checkpoint's distance to held-out codes is measured; the closest becomes
    the prior, unless `select_by` names another metric."""

    @property
    def loop(self) -> LoopConfig:
        """The loop's complete settings."""
        return self.training.model_copy(update={"select_by": self.training.select_by or PGAN_SCORE})

    def settings_text(self, unsaid: Collection[str] = ()) -> list[str]:
        return [text.replace("images seen", "codes seen") for text in super().settings_text(unsaid)]

    def metrics(self) -> Metrics:
        """A PAG is null where there is none."""
        beside = (f"{PGAN_SCORE}_of_normal_codes", f"{PGAN_SCORE}_of_training_codes")
        return (*headline(PGAN_SCORE, *beside, "codes_seen"), *others(*GAN_METRICS, IN_SAMPLE, HELD_OUT))

    def check_codes(self, latent_dim: int) -> None:
        self.model.noise_for(latent_dim)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps and codes seen, in whole batches."""
        counts = steps_of(self)
        return {"codes seen": counts["images seen"], "steps": counts["steps"]}

    def run(self, context: Context) -> Result:
        from preimage.jobs.train.run_prior import run

        return run(self, context)
