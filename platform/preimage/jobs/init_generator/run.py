"""init-generator: how it runs."""

from preimage.figures.grids import grid_png
from preimage.jobs.base import Context, Result
from preimage.jobs.init_generator.job import InitGeneratorJob
from preimage.jobs.random_weights.untrained import untrained
from preimage.latents.priors import make_prior
from preimage.models.dcgan import build_pair, parameters_of
from preimage.models.generator_folder import write_generator
from preimage.training.loop import GRID
from preimage.training.networks import COLUMNS, fixed_samples


def run(job: InitGeneratorJob, context: Context) -> Result:
    """Leave the generator and a grid of its samples.

    In eval mode a BatchNorm divides by statistics that a training run leaves behind; `batchnorm` says
    which a generator has that was never trained.
    """
    dataset = context.dataset(job.data)
    if job.batchnorm == "settled":
        generator = untrained(job.made_generator, job.seed)
    else:
        generator = build_pair(job.made_generator, job.seed)[0].eval()
    history = {
        **context.provenance(job),
        "data": job.data.model_dump(mode="json"),
        "dataset": dataset.fingerprint,
        "images_seen": 0,
        "batchnorm": job.batchnorm,
    }
    write_generator(generator, context.run.product("generator"), history)
    prior = make_prior(job.model.prior, job.model.latent_dim)
    samples = fixed_samples(generator, prior, job.seed, GRID)
    metrics = {"images_seen": 0, "parameters": parameters_of(generator)}
    return Result(metrics, {"samples.png": grid_png(samples, COLUMNS)})
