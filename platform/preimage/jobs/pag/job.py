"""pag: how far the codes of a latent store are from the prior that the generator assumes."""

import logging
from typing import Any, Literal

from pydantic import Field, model_validator

from preimage.jobs.base import Context, Job, Metrics, Result, headline, others, tables
from preimage.jobs.pag.figures import spectra_png
from preimage.jobs.pag.spectra import Spectrum, numbers, of_normal_codes, table
from preimage.jobs.references import PriorRef, StoreRef
from preimage.latents.held_out import Split
from preimage.latents.priors import Prior
from preimage.latents.store import Store
from preimage.metrics.pag import expected_pag, named_std, store_pag
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE, held_out_pag
from preimage.models.prior_folder import load_fitted, read_prior_card
from preimage.storage.folder import Folder

log = logging.getLogger(__name__)


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
        """Measure each store, and draw the spectra of the codes."""
        alone = self._alone(context)
        return self._with_others(context, alone) if self.beside else alone

    def _with_others(self, context: Context, alone: Result) -> Result:
        """The result for `store`, and all stores by their dimensions beside as many normal codes."""
        keys = {"store": str(self.store)}
        keys |= {f"beside.{i}": str(each) for i, each in enumerate(self.beside)}
        found: list[Spectrum] = []
        for key, name in keys.items():
            store = Store.open(context.inputs[key])
            std = self.std or named_std(store.about.prior, store.latent_dim)
            found.append(Spectrum(name, store_pag(store, std), std))
        found.sort(key=lambda each: each.latent_dim)
        normal = of_normal_codes(found[-1], self.seed)
        figures = {**alone.figures, "spectra.png": spectra_png(found, normal)}
        return Result({**alone.metrics, "stores": numbers(found)}, figures, table(found, normal))

    def _alone(self, context: Context) -> Result:
        """Measure, and draw the spectrum of the codes."""
        store, beside = Store.open(context.inputs["store"]), {}
        if self.prior:
            std: float = 1.0
            folder = context.inputs["prior"]
            prior = load_fitted(folder)
            result = store_pag(store, prior=prior)
            beside = {"pag_normal": store_pag(store, std).pag} | _of_held_out_images(store, prior, folder)
        else:
            std = self.std if self.std is not None else named_std(store.about.prior, store.latent_dim)
            result = store_pag(store, std)
        metrics = {
            "pag": result.pag,
            "pag_raw": result.pag_raw,
            "pag_n": result.count,
            "pag_skipped": result.skipped,
            "latent_dim": store.latent_dim,
            **beside,
        }
        own = Spectrum("found codes", result, std)
        return Result(metrics, {"spectrum.png": spectra_png([own], of_normal_codes(own, self.seed))})


def _of_held_out_images(store: Store, prior: Prior, folder: Folder) -> dict[str, Any]:
    """PAG of the images that a prior's fit held out, here and in the store that it was fitted to."""
    about = read_prior_card(folder).training
    if about.get(HELD_OUT) is None:
        log.warning(
            "%s was fitted without held-out codes enough for a PAG: how much of this one is the fit alone "
            "is not known; fit the prior with a larger held_out",
            folder.uri,
        )
    found = held_out_pag(Split(store, about.get("held_out", 0)), prior=prior)
    return {
        "pag_held_out": found and found.pag,
        "pag_held_out_n": found and found.count,
        "pag_by_chance": found and expected_pag(found.count, store.latent_dim),
        "pag_baseline": about.get(HELD_OUT),
        "pag_in_sample": about.get(IN_SAMPLE),
    }
