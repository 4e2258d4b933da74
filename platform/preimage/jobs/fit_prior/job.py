"""fit-prior: a distribution fitted to the codes of a latent store, to draw others from."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from preimage.config import PositiveFloat, PositiveInt
from preimage.jobs.compare_priors.figures import marginals_png, passes_png
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.sampling import draw_codes
from preimage.latents.fitted import Box, Diagonal, FittedPrior
from preimage.latents.held_out import Split, likelihood
from preimage.latents.mixture import Mixture, fit_mixture
from preimage.latents.priors import Gaussian
from preimage.latents.store import Store
from preimage.models.prior_folder import save_prior
from preimage.work.reproducible import prepare_process

HEADLINE = ("held_out_log_likelihood", "training_log_likelihood", "codes")

REPORTED = (
    "held_out_log_likelihood",
    "training_log_likelihood",
    "held_out_outside",
    "codes",
    "codes_held_out",
    "codes_left_out",
    "latent_dim",
    "std",
)
SAMPLE = 10_000
"""Codes that a mixture's first means are among, and that the picture shows."""


class FitPriorConfig(JobConfig):
    """Fit a prior to the codes of a latent store. It takes the store's codes as they are: on no ball."""

    NEEDS: ClassVar[dict[str, Product]] = {"store": "store"}
    GIVES: ClassVar[frozenset[Product]] = frozenset({"prior"})

    job: Literal["fit-prior"] = "fit-prior"
    store: str
    """An earlier step, a run's name or a latent store's folder."""
    kind: Literal["diagonal", "box", "gaussian", "mixture"]
    """`diagonal`: independent normal components. `box`: uniform between each component's extremes.
    `gaussian`: one with the full covariance. `mixture`: several such."""
    components: PositiveInt | None = None
    """Gaussians of a mixture."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of the images whose codes are kept from the fit, chosen by image_id alone."""
    max_iterations: PositiveInt = 200
    """Passes of EM over the codes, at most, that fit a mixture."""
    tolerance: PositiveFloat = 1e-3
    """A mixture is finished when the mean log-likelihood of a code rises by less, in nats."""

    @model_validator(mode="after")
    def _components_of_a_mixture(self) -> "FitPriorConfig":
        if self.kind == "mixture" and self.components is None:
            raise ValueError(
                "a mixture needs components: say how many Gaussians it has, such as components=10"
            )
        if self.kind != "mixture" and self.components is not None:
            raise ValueError(f"components is for a mixture, the kind is {self.kind}: write components=null")
        return self


def cost(config: FitPriorConfig, images: int | None) -> dict[str, int]:
    passes = {"passes at most": config.max_iterations} if config.kind == "mixture" else {}
    return passes if images is None else {"codes": images, **passes}


def reported(config: FitPriorConfig) -> tuple[str, ...]:
    """The numbers of an outcome; a likelihood is null where there is none."""
    return (*REPORTED, "passes") if config.kind == "mixture" else REPORTED


def run(config: FitPriorConfig, context: Context) -> Result:
    """Stream the store, leave the prior, and say how likely it makes codes that it was and was not fitted to.

    Images that diverged are left out. Raises PreimageError for codes that the kind cannot be fitted to.
    """
    prepare_process(context.resources.cpus_per_worker)
    store = Store.open(context.inputs["store"])
    split = Split(store, config.held_out)
    prior, likelihoods = _fit(config, context, split)
    save_prior(prior, context.run.prior, provenance(config.job, context, store, config.held_out))
    sample = split.some(SAMPLE, held_out=False)
    pictures = {
        "marginals.png": marginals_png(sample, draw_codes(prior, len(sample), config.seed), prior.name)
    }
    if likelihoods:
        pictures["passes.png"] = passes_png(likelihoods)
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    return Result(_metrics(prior, split, likelihoods), tuple(pictures))


def provenance(job: str, context: Context, store: Store, held_out: float) -> dict[str, Any]:
    """What the card of a prior that was fitted to a store's codes says of where it came from."""
    return {
        "job": job,
        "fingerprint": context.fingerprint,
        "store": store.fingerprint,
        "generator": store.about.generator.fingerprint,
        "held_out": held_out,
    }


def _fit(config: FitPriorConfig, context: Context, split: Split) -> tuple[FittedPrior, list[float]]:
    """The prior, and a mixture's mean log-likelihood before each pass."""
    fits = {
        "diagonal": lambda: Diagonal.fit(split.training_moments()),
        "box": lambda: Box.fit(split.training()),
        "gaussian": lambda: Gaussian.fit(split.training_moments()),
    }
    if config.kind in fits:
        return fits[config.kind](), []
    return _fit_mixture(config, context, split)


def _fit_mixture(config: FitPriorConfig, context: Context, split: Split) -> tuple[Mixture, list[float]]:
    """A run that was killed begins anew: it takes the same steps."""
    assert config.components
    likelihoods: list[float] = []
    advance = context.show("fitting the mixture")

    def watch(done: int, reached: float) -> None:
        likelihoods.append(reached)
        context.run.record(done * split.store.count, {"log_likelihood": reached})
        advance(done, config.max_iterations)

    sample = split.some(SAMPLE, held_out=False)
    prior = fit_mixture(
        split.training, sample, config.components, config.seed, config.max_iterations, config.tolerance, watch
    )
    advance(config.max_iterations, config.max_iterations)
    return prior, likelihoods


def _metrics(prior: FittedPrior, split: Split, likelihoods: list[float]) -> dict[str, Any]:
    training, held_out = (likelihood(prior, part) for part in (split.training(), split.held_out()))
    left_out = split.store.count - training.count - held_out.count
    passes = {"passes": len(likelihoods)} if likelihoods else {}
    values = (held_out.mean, training.mean, held_out.outside, training.count, held_out.count, left_out)
    return dict(zip(REPORTED, (*values, prior.latent_dim, prior.std), strict=True)) | passes
