"""pag: how far the codes of a latent store are from the prior that the generator assumes."""

from typing import Literal

from pydantic import Field, model_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.pag.figures import spectrum_png
from preimage.jobs.references import PriorRef, StoreRef
from preimage.latents.store import Store
from preimage.metrics.pag import named_std, store_pag
from preimage.models.prior_folder import load_fitted


class PagJob(Job):
    """Measure the prior agreement of a latent store (flexible-priors, eq. 2): lower is better.

    Against a fitted prior it is that of the codes in coordinates in which the prior's second moment is the
    identity; the spectrum is drawn in these.
    """

    job: Literal["pag"] = "pag"
    store: StoreRef
    """An earlier step, a run's name or a latent store's folder."""
    std: float | None = Field(None, gt=0)
    """The prior's standard deviation; without it that of the generator's own prior."""
    prior: PriorRef | None = None
    """A fitted prior to compare the codes with: an earlier step, a run's name or a prior's folder."""

    @model_validator(mode="after")
    def _one_prior(self) -> "PagJob":
        if self.prior and self.std:
            raise ValueError("give either std or a fitted prior")
        return self

    def metrics(self) -> Metrics:
        """Of `pag_n` codes; those of images that diverged are `pag_skipped`. Beside the PAG against a fitted
        prior, `pag_normal` is that against N(0, I)."""
        normal = headline("pag_normal") if self.prior else ()
        return (*headline("pag", "pag_raw", "pag_n"), *others("pag_skipped", "latent_dim"), *normal)

    def cost(self, images: int | None) -> dict[str, int]:
        return {} if images is None else {"codes": images}

    def run(self, context: Context) -> Result:
        """Measure, and draw the spectrum of the codes."""
        store, normal = Store.open(context.inputs["store"]), {}
        if self.prior:
            std: float = 1.0
            result = store_pag(store, prior=load_fitted(context.inputs["prior"]))
            normal = {"pag_normal": store_pag(store, std).pag}
        else:
            std = self.std if self.std is not None else named_std(store.about.prior, store.latent_dim)
            result = store_pag(store, std)
        metrics = {
            "pag": result.pag,
            "pag_raw": result.pag_raw,
            "pag_n": result.count,
            "pag_skipped": result.skipped,
            "latent_dim": store.latent_dim,
            **normal,
        }
        picture = spectrum_png(result.singular_values.numpy(), std, result.count)
        return Result(metrics, {"spectrum.png": picture})
