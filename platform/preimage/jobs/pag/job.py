"""pag: how far the codes of a latent store are from the prior that the generator assumes."""

from typing import Literal

from pydantic import Field, model_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others, tables
from preimage.jobs.references import PriorRef, StoreRef
from preimage.latents.store import Store
from preimage.metrics.prior_std import named_std


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
    beside: tuple[StoreRef, ...] = ()
    """Further stores, such as those of generators with other latent dimensions: all spectra in one picture,
    and a table of all. Each is compared with its own generator's prior, or with std."""

    @model_validator(mode="after")
    def _one_prior(self) -> "PagJob":
        if self.prior and self.std:
            raise ValueError("give either std or a fitted prior")
        return self

    @model_validator(mode="after")
    def _no_fitted_prior_for_several(self) -> "PagJob":
        if self.prior and self.beside:
            raise ValueError("a fitted prior is of one generator's codes: give either it or beside")
        return self

    def metrics(self) -> Metrics:
        """Of `pag_n` codes; those of images that diverged are `pag_skipped`.

        Beside the PAG against a fitted prior: `pag_normal`, that against N(0, I); `pag_held_out`, of the
        images whose codes were held out of the prior's fit, `pag_held_out_n` of them; and its baseline,
        `pag_baseline`, of the same images' codes in the store that the prior was fitted to: what fitting
        alone gives (`metrics/pag_of_fit.py`). Of that store's other codes it is `pag_in_sample`, and of as
        many codes of a Gaussian prior itself as were held out `pag_by_chance`. Each is null where it is not
        known or not finite.
        """
        beside = ("pag_normal", "pag_held_out", "pag_baseline")
        more = ("pag_held_out_n", "pag_in_sample", "pag_by_chance")
        fitted = (*headline(*beside), *others(*more)) if self.prior else ()
        several = tables("stores") if self.beside else ()
        return (*headline("pag", "pag_raw", "pag_n"), *others("pag_skipped", "latent_dim"), *fitted, *several)

    def check_store(self, store: Store) -> None:
        if self.std is None and not self.prior:
            named_std(store.about.prior, store.latent_dim)

    def cost(self, images: int | None) -> dict[str, int]:
        return {} if images is None else {"codes": images}

    def run(self, context: Context) -> Result:
        from preimage.jobs.pag.run import run

        return run(self, context)
