"""train-glo: how it runs."""

from functools import partial

from preimage.jobs.base import Context, Result
from preimage.jobs.train.glo import TrainGloJob
from preimage.jobs.train.reconstruction_metrics import describe_codes
from preimage.jobs.train.running import summary, train_on_images
from preimage.training.algorithm import AlgorithmContext
from preimage.training.glo import GloAlgorithm


def run(job: TrainGloJob, context: Context) -> Result:
    """Train to the end; leave the generator, the codes as a latent store, and figures of both."""
    dataset = train_on_images(job, context, partial(_build, job))
    curves = context.run.curves()
    metrics, samples = summary(job, context, curves)
    more, figures = describe_codes(context, dataset, curves, job.loss)
    return Result(metrics | more, {"samples.png": samples} | figures)


def _build(job: TrainGloJob, context: AlgorithmContext) -> GloAlgorithm:
    return GloAlgorithm(context, job.made_generator, job.loss, job.codes, job.optimizer)
