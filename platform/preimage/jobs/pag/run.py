"""pag: how it runs."""

import logging
from typing import Any

from preimage.jobs.base import Context, Result
from preimage.jobs.pag.figures import spectra_png
from preimage.jobs.pag.job import PagJob
from preimage.jobs.pag.spectra import Spectrum, numbers, of_normal_codes, table
from preimage.latents.held_out import Split
from preimage.latents.priors import Prior
from preimage.latents.store import Store
from preimage.metrics.pag import expected_pag, store_pag
from preimage.metrics.pag_of_fit import HELD_OUT, IN_SAMPLE, held_out_pag
from preimage.metrics.prior_std import named_std
from preimage.models.cards import read_prior_card
from preimage.models.prior_folder import load_fitted
from preimage.storage.folder import Folder

log = logging.getLogger(__name__)


def run(job: PagJob, context: Context) -> Result:
    """Measure each store, and draw the spectra of the codes."""
    alone = _alone(job, context)
    return _with_others(job, context, alone) if job.beside else alone


def _with_others(job: PagJob, context: Context, alone: Result) -> Result:
    """The result for `store`, and all stores by their dimensions beside as many normal codes."""
    keys = {"store": str(job.store)}
    keys |= {f"beside.{i}": str(each) for i, each in enumerate(job.beside)}
    found: list[Spectrum] = []
    for key, name in keys.items():
        store = Store.open(context.inputs[key])
        std = job.std or named_std(store.about.prior, store.latent_dim)
        found.append(Spectrum(name, store_pag(store, std), std))
    found.sort(key=lambda each: each.latent_dim)
    normal = of_normal_codes(found[-1], job.seed)
    figures = {**alone.figures, "spectra.png": spectra_png(found, normal)}
    return Result({**alone.metrics, "stores": numbers(found)}, figures, table(found, normal))


def _alone(job: PagJob, context: Context) -> Result:
    """Measure, and draw the spectrum of the codes."""
    store, beside = Store.open(context.inputs["store"]), {}
    if job.prior:
        std: float = 1.0
        folder = context.inputs["prior"]
        prior = load_fitted(folder)
        result = store_pag(store, prior=prior)
        beside = {"pag_normal": store_pag(store, std).pag} | _of_held_out_images(store, prior, folder)
    else:
        std = job.std if job.std is not None else named_std(store.about.prior, store.latent_dim)
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
    return Result(metrics, {"spectrum.png": spectra_png([own], of_normal_codes(own, job.seed))})


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
