"""pag: how far the codes of a latent store are from the prior that the generator assumes."""

from typing import Literal

from pydantic import Field, model_validator

from preimage.figures.plots import spectrum_png
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.latents.store import Store
from preimage.metrics.pag import named_std, store_pag
from preimage.models.prior_folder import load_fitted

HEADLINE = ("pag", "pag_raw", "pag_n", "pag_normal")


class PagConfig(JobConfig):
    """Measure the prior agreement of a latent store (flexible-priors, eq. 2): lower is better.

    Against a fitted prior it is that of the codes in coordinates in which the prior's second moment is the
    identity; the spectrum is drawn in these.
    """

    job: Literal["pag"] = "pag"
    store: str
    """An earlier step, a run's name or a latent store's folder."""
    std: float | None = Field(None, gt=0)
    """The prior's standard deviation; without it that of the generator's own prior."""
    prior: str | None = None
    """A fitted prior to compare the codes with: an earlier step, a run's name or a prior's folder."""

    @model_validator(mode="after")
    def _one_prior(self) -> "PagConfig":
        if self.prior and self.std:
            raise ValueError("give either std or a fitted prior")
        return self

    def needs(self) -> dict[str, tuple[str, Product]]:
        prior: dict[str, tuple[str, Product]] = {"prior": (self.prior, "prior")} if self.prior else {}
        return {"store": (self.store, "store"), **prior}


def cost(config: PagConfig, images: int | None) -> dict[str, int]:
    return {} if images is None else {"codes": images}


def run(config: PagConfig, context: Context) -> Result:
    """`pag_n` codes count; those of images that diverged are `pag_left_out`.

    Beside that against a fitted prior, `pag_normal` is that against N(0, I).
    """
    store, normal = Store.open(context.inputs["store"]), {}
    if config.prior:
        std: float = 1.0
        result = store_pag(store, prior=load_fitted(context.inputs["prior"]))
        normal = {"pag_normal": store_pag(store, std).pag}
    else:
        std = config.std if config.std is not None else named_std(store.about.prior, store.latent_dim)
        result = store_pag(store, std)
    picture = spectrum_png(result.singular_values.numpy(), std, result.count)
    context.run.figures.write("spectrum.png", picture)
    metrics = {
        "pag": result.pag,
        "pag_raw": result.pag_raw,
        "pag_n": result.count,
        "pag_left_out": result.left_out,
        "latent_dim": store.latent_dim,
        **normal,
    }
    return Result(metrics, ("spectrum.png",))
