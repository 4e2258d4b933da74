"""train-gan: how it runs."""

from functools import partial

from preimage.jobs.base import Context, Result
from preimage.jobs.train.figures import curves_png, losses_png
from preimage.jobs.train.gan import GanJob, TrainGanJob
from preimage.jobs.train.running import scoring_of, summary, train_on_images
from preimage.training.algorithm import Algorithm, AlgorithmContext
from preimage.training.gan import GanAlgorithm, InitFrom
from preimage.training.metric_names import GAN_METRICS


def run(job: TrainGanJob, context: Context) -> Result:
    """Train to the end; leave the generator, a grid of its samples, and the curves.

    Raises DataError if a conditional model has other classes than the images, or these have no labels.
    """
    if job.model.classes:
        job.require_count(context.dataset(job.data).classes)
    return train_gan(job, context, partial(_build, job, init_from(context)))


def train_gan(job: GanJob, context: Context, build: partial[Algorithm]) -> Result:
    """Train any GAN; leave the generator, a grid of its samples, and the curves."""
    evaluation = scoring_of(job.score, job.data, context) if job.score else None
    train_on_images(job, context, build, evaluation=evaluation)
    curves = context.run.curves()
    metrics, samples = summary(job, context, curves)
    figures = {"samples.png": samples, "losses.png": losses_png({name: curves[name] for name in GAN_METRICS})}
    scores = job.score.recorded if job.score else ()
    more = [name for name in job.recorded() if name not in (*GAN_METRICS, *scores)]
    for picture, names in (("scores.png", scores), ("features.png", more)):
        if names:
            figures[picture] = curves_png({name: curves[name] for name in names})
    return Result(metrics, figures)


def init_from(context: Context) -> InitFrom:
    """The products of earlier runs that the workers start from."""
    return InitFrom(context.inputs.get("resume_from"), context.inputs.get("prior"))


def _build(job: TrainGanJob, origin: InitFrom, context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, job.made_generator, job.optimizer, origin)
