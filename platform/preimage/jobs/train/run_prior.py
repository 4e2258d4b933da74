"""train-prior: how it runs."""

from functools import partial

from torch import Tensor

from preimage.errors import StoreError
from preimage.jobs.base import Context, Result
from preimage.jobs.compatibility import require_codes_of
from preimage.jobs.sampling import draw_codes
from preimage.jobs.train.figures import curves_png, losses_png
from preimage.jobs.train.prior import TrainPriorJob
from preimage.jobs.train.running import Source, records_at, train
from preimage.latents.held_out import Split
from preimage.latents.priors import Normal
from preimage.latents.store import Store
from preimage.metrics.distances import energy_distance
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE
from preimage.models.cards import read_card, read_prior_card
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.codes import CodeSet
from preimage.training.metric_names import GAN_METRICS, PGAN_SCORE
from preimage.training.pgan import CodeEvaluation, PganAlgorithm, export_prior

COMPARED = 2000
"""The maximum number of held-out codes to compare a prior with, and of codes drawn from it."""


def run(job: TrainPriorJob, context: Context) -> Result:
    """Train to the end; leave the prior, and measure the distance of its codes to held-out ones.

    Raises StoreError for a store of another generator, PriorError for noise smaller than the code.
    """
    store, images = Store.open(context.inputs["store"]), context.inputs.get("generator")
    if images:
        require_codes_of(read_card(images), store)
    split = Split(store, job.held_out)
    unseen = split.some(COMPARED, held_out=True)
    if len(unseen) < 2:
        raise StoreError(
            f"held_out={job.held_out} holds out {len(unseen)} of {store.count:,} codes, but selecting "
            "the prior needs at least 2: raise held_out, or invert more images"
        )
    about = {"store": store.fingerprint, "generator": store.about.generator_fingerprint}
    open_codes = partial(CodeSet.open, held_out=job.held_out)
    source = Source(store.folder, about | {"held_out": job.held_out}, open_codes)
    train(job, context, source, partial(_build, job, images), export_prior, CodeEvaluation(unseen))
    about = read_prior_card(context.run.product("prior")).training
    seen, curves = about["codes_seen"], context.run.curves()
    metrics = {"codes_seen": seen, **records_at(job, curves, seen)} | _beside(job, split, unseen)
    metrics |= {name: about[name] for name in (IN_SAMPLE, HELD_OUT)}
    figures = {
        "losses.png": losses_png({name: curves[name] for name in GAN_METRICS}),
        "distance.png": curves_png({PGAN_SCORE: curves[PGAN_SCORE]}),
    }
    return Result(metrics, figures)


def _beside(job: TrainPriorJob, split: Split, unseen: Tensor) -> dict[str, float]:
    """Distances to the same held-out codes: of N(0, I), and of training codes, which is the floor."""
    sets = {
        "normal": draw_codes(Normal(unseen.shape[1]), len(unseen), job.seed),
        "training": split.some(len(unseen), held_out=False),
    }
    return {f"{PGAN_SCORE}_of_{name}_codes": energy_distance(codes, unseen) for name, codes in sets.items()}


def _build(job: TrainPriorJob, images: Folder | None, context: AlgorithmContext) -> PganAlgorithm:
    return PganAlgorithm(context, job.model, job.optimizer, images)
