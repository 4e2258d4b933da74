"""fit-prior: a distribution fitted to the codes of a latent store, to draw others from."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from preimage.config import PositiveFloat, PositiveInt
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.fit_prior.figures import iterations_png, marginals_png
from preimage.jobs.references import StoreRef
from preimage.jobs.sampling import draw_codes
from preimage.latents.fitted import SIMPLE, FittedPrior
from preimage.latents.held_out import Split, likelihood
from preimage.latents.mixture import Mixture, fit_mixture
from preimage.latents.store import Store
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE, fit_agreement
from preimage.models.prior_folder import save_prior

SAMPLE = 10_000
"""Codes from which a mixture's first means are drawn, and which the figure shows."""


class FitPriorJob(Job):
    """Fit a prior to the codes of a latent store, taken as they are: on no ball."""

    makes: ClassVar[frozenset[str]] = frozenset({"prior"})

    job: Literal["fit-prior"] = "fit-prior"
    store: StoreRef
    """An earlier step, a run's name or a latent store's folder."""
    kind: Literal["diagonal", "box", "gaussian", "mixture"]
    """`diagonal`: independent normal components. `box`: uniform between each component's extremes.
    `gaussian`: one with the full covariance. `mixture`: several such."""
    components: PositiveInt | None = None
    """Gaussians of a mixture."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The fraction of the images whose codes are kept from the fit, chosen by image_id alone."""
    max_iterations: PositiveInt = 200
    """EM iterations that fit a mixture, at most. Each is one pass over the codes."""
    tolerance: PositiveFloat = 1e-3
    """A mixture is finished when an iteration raises the mean log-likelihood of a code by less, in nats."""

    @model_validator(mode="after")
    def _components_of_a_mixture(self) -> "FitPriorJob":
        if self.kind == "mixture" and self.components is None:
            raise ValueError(
                "a mixture needs components: say how many Gaussians it has, such as components=10"
            )
        if self.kind != "mixture" and self.components is not None:
            raise ValueError(
                f"components is for a mixture, but the kind is {self.kind}: write components=null"
            )
        return self

    def metrics(self) -> Metrics:
        """A likelihood or a PAG is null where there is none. Codes of images that diverged are
        `codes_skipped`."""
        iterations = others("iterations") if self.kind == "mixture" else ()
        return (
            *headline("held_out_log_likelihood", "training_log_likelihood", "codes"),
            *others("held_out_outside", "codes_held_out", "codes_skipped", "latent_dim", "std"),
            *others(IN_SAMPLE, HELD_OUT),
            *iterations,
        )

    def cost(self, images: int | None) -> dict[str, int]:
        iterations = {"iterations at most": self.max_iterations} if self.kind == "mixture" else {}
        return iterations if images is None else {"codes": images, **iterations}

    def run(self, context: Context) -> Result:
        """Stream the store, leave the prior, and measure how likely it makes held-out and training codes.

        Skips images that diverged. Raises PreimageError for codes that the kind cannot be fitted to.
        """
        split = Split(Store.open(context.inputs["store"]), self.held_out)
        prior, likelihoods = _fit(self, context, split)
        agreement = fit_agreement(prior, split)
        provenance = _provenance(self, context, split.store) | agreement
        save_prior(prior, context.run.product("prior"), provenance)
        sample = split.some(SAMPLE, held_out=False)
        drawn = draw_codes(prior, len(sample), self.seed)
        figures = {"marginals.png": marginals_png(sample, drawn, prior.name)}
        if likelihoods:
            figures["iterations.png"] = iterations_png(likelihoods)
        return Result(_measure(prior, split, likelihoods) | agreement, figures)


def _provenance(job: FitPriorJob, context: Context, store: Store) -> dict[str, Any]:
    """Where the prior came from, for its card."""
    return {
        **context.provenance(job),
        "store": store.fingerprint,
        "generator": store.about.generator_fingerprint,
        "held_out": job.held_out,
    }


def _fit(job: FitPriorJob, context: Context, split: Split) -> tuple[FittedPrior, list[float]]:
    """The prior, and a mixture's mean log-likelihood before each iteration."""
    if job.kind != "mixture":
        return SIMPLE[job.kind](split.training), []
    return _fit_mixture(job, context, split)


def _fit_mixture(job: FitPriorJob, context: Context, split: Split) -> tuple[Mixture, list[float]]:
    """A killed run starts again: it takes the same steps."""
    assert job.components
    likelihoods: list[float] = []
    advance = context.progress("fitting the mixture")

    def watch(done: int, reached: float) -> None:
        likelihoods.append(reached)
        context.run.record(done * split.store.count, {"log_likelihood": reached})
        advance(done, job.max_iterations)

    sample = split.some(SAMPLE, held_out=False)
    prior = fit_mixture(
        split.training, sample, job.components, job.seed, job.max_iterations, job.tolerance, watch
    )
    advance(job.max_iterations, job.max_iterations)
    return prior, likelihoods


def _measure(prior: FittedPrior, split: Split, likelihoods: list[float]) -> dict[str, Any]:
    training, held_out = (likelihood(prior, part) for part in (split.training(), split.held_out()))
    iterations = {"iterations": len(likelihoods)} if likelihoods else {}
    return {
        "held_out_log_likelihood": held_out.mean,
        "training_log_likelihood": training.mean,
        "held_out_outside": held_out.outside,
        "codes": training.count,
        "codes_held_out": held_out.count,
        "codes_skipped": split.store.count - training.count - held_out.count,
        "latent_dim": prior.latent_dim,
        "std": prior.std,
        **iterations,
    }
