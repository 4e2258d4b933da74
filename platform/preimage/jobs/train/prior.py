"""train-prior: PGAN, a GAN whose images are the codes of a latent store (flexible-priors, section 3)."""

from collections.abc import Collection
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from preimage.errors import StoreError
from preimage.jobs.base import Context, Metrics, Result, headline, others
from preimage.jobs.compatibility import require_codes_of
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.jobs.sampling import draw_codes
from preimage.jobs.train.base import Source, TrainJob, records_at, steps_of, train
from preimage.jobs.train.figures import curves_png, losses_png
from preimage.latents.held_out import Split
from preimage.latents.priors import Normal
from preimage.latents.store import Store
from preimage.metrics.distances import energy_distance
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE
from preimage.models.generator_folder import read_card
from preimage.models.pgan import PganConfig
from preimage.models.prior_folder import read_prior_card
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.codes import CodeSet
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.gan import METRICS
from preimage.training.pgan import SCORE, CodeEvaluation, PganAlgorithm, export_prior

COMPARED = 2000
"""The maximum number of held-out codes to compare a prior with, and of codes drawn from it."""


class TrainPriorJob(TrainJob):
    """Learn the distribution of a latent store's codes with a second GAN (PGAN)."""

    makes: ClassVar[frozenset[str]] = frozenset({"prior"})
    RECORDED: ClassVar[tuple[str, ...]] = (*METRICS, SCORE)

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
        return self.training.model_copy(update={"select_by": self.training.select_by or SCORE})

    def settings_text(self, unsaid: Collection[str] = ()) -> list[str]:
        return [text.replace("images seen", "codes seen") for text in super().settings_text(unsaid)]

    def metrics(self) -> Metrics:
        """A PAG is null where there is none."""
        beside = (f"{SCORE}_of_normal_codes", f"{SCORE}_of_training_codes")
        return (*headline("codes_seen", SCORE, *beside), *others(*METRICS, IN_SAMPLE, HELD_OUT))

    def check_codes(self, latent_dim: int) -> None:
        self.model.noise_for(latent_dim)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps and codes seen, in whole batches."""
        counts = steps_of(self)
        return {"codes seen": counts["images seen"], "steps": counts["steps"]}

    def run(self, context: Context) -> Result:
        """Train to the end; leave the prior, and measure the distance of its codes to held-out ones.

        Raises StoreError for a store of another generator, PriorError for noise smaller than the code.
        """
        store, images = Store.open(context.inputs["store"]), context.inputs.get("generator")
        if images:
            require_codes_of(read_card(images), store)
        split = Split(store, self.held_out)
        unseen = split.some(COMPARED, held_out=True)
        if len(unseen) < 2:
            raise StoreError(
                f"held_out={self.held_out} holds out {len(unseen)} of {store.count:,} codes, but selecting "
                "the prior needs at least 2: raise held_out, or invert more images"
            )
        about = {"store": store.fingerprint, "generator": store.about.generator_fingerprint}
        open_codes = partial(CodeSet.open, held_out=self.held_out)
        source = Source(store.folder, about | {"held_out": self.held_out}, open_codes)
        train(self, context, source, partial(_build, self, images), export_prior, CodeEvaluation(unseen))
        about = read_prior_card(context.run.product("prior")).training
        seen, curves = about["codes_seen"], context.run.curves()
        metrics = {"codes_seen": seen, **records_at(self, curves, seen)} | _beside(self, split, unseen)
        metrics |= {name: about[name] for name in (IN_SAMPLE, HELD_OUT)}
        figures = {
            "losses.png": losses_png({name: curves[name] for name in METRICS}),
            "distance.png": curves_png({SCORE: curves[SCORE]}),
        }
        return Result(metrics, figures)


def _beside(job: TrainPriorJob, split: Split, unseen: Tensor) -> dict[str, float]:
    """Distances to the same held-out codes: of N(0, I), and of training codes, which is the floor."""
    sets = {
        "normal": draw_codes(Normal(unseen.shape[1]), len(unseen), job.seed),
        "training": split.some(len(unseen), held_out=False),
    }
    return {f"{SCORE}_of_{name}_codes": energy_distance(codes, unseen) for name, codes in sets.items()}


def _build(job: TrainPriorJob, images: Folder | None, context: AlgorithmContext) -> PganAlgorithm:
    return PganAlgorithm(context, job.model, job.optimizer, images)
