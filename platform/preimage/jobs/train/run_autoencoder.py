"""train-autoencoder: how it runs."""

from functools import partial

from preimage.jobs.base import Context, Result
from preimage.jobs.train.autoencoder import TrainAutoencoderJob
from preimage.jobs.train.reconstruction_metrics import describe_codes
from preimage.jobs.train.running import summary, train_on_images
from preimage.training.algorithm import AlgorithmContext
from preimage.training.autoencoder import AutoencoderAlgorithm


def run(job: TrainAutoencoderJob, context: Context) -> Result:
    """Train to the end; leave the decoder as a generator, the encoder's codes as a store, and figures."""
    dataset = train_on_images(job, context, partial(_build, job))
    curves = context.run.curves()
    metrics, samples = summary(job, context, curves)
    more, figures = describe_codes(context, dataset, curves, "squared error per pixel")
    return Result(metrics | more, {"samples.png": samples} | figures)


def _build(job: TrainAutoencoderJob, context: AlgorithmContext) -> AutoencoderAlgorithm:
    return AutoencoderAlgorithm(context, job.made_generator, job.optimizer)
