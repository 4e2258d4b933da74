"""train-dfm: how it runs."""

from dataclasses import replace
from functools import partial

from preimage.jobs.base import Context, Result
from preimage.jobs.train.dfm import TrainDfmJob
from preimage.jobs.train.run_gan import init_from, train_gan
from preimage.training.algorithm import AlgorithmContext
from preimage.training.dfm import DfmAlgorithm
from preimage.training.gan import InitFrom
from preimage.training.metric_names import DFM_GRADIENTS


def run(job: TrainDfmJob, context: Context) -> Result:
    """Train to the end; leave the generator, a grid of its samples, and the curves."""
    result = train_gan(job, context, partial(_build, job, init_from(context)))
    if not job.has_two_terms:
        return result
    features, adversarial = (result.metrics[name] for name in DFM_GRADIENTS)
    return replace(result, metrics=result.metrics | {"gradient_ratio": features / adversarial})


def _build(job: TrainDfmJob, origin: InitFrom, context: AlgorithmContext) -> DfmAlgorithm:
    return DfmAlgorithm(context, job.made_generator, job.optimizer, job.denoiser, job.feature_pool, origin)
