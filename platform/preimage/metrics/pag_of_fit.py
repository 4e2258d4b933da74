"""What fitting a prior does to PAG by itself: the baseline of every PAG against a fitted prior.

A prior whose second moment is that of some codes agrees with these codes, whatever generator they belong
to: their PAG is 0. So a low PAG against a fitted prior says nothing yet. The baseline is the PAG of codes
that were held out of the fit: the generator unchanged, its prior exchanged. Only what lies below it comes
from another generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preimage.latents.priors import Prior
from preimage.metrics.prior_std import PagError

if TYPE_CHECKING:
    from preimage.latents.held_out import Split
    from preimage.latents.statistics import Moments
    from preimage.metrics.pag import PagResult

IN_SAMPLE, HELD_OUT = "pag_in_sample", "pag_held_out"
"""What a fitted prior's card says of the codes that it was fitted to, and of those that were held out."""


def held_out_pag(split: Split, std: float | None = None, prior: Prior | None = None) -> PagResult | None:
    """PAG of a split's held-out codes against N(0, std^2 I) or a fitted prior; None where it is not finite:
    for fewer codes than components, codes that do not span them, or a prior whose codes do not."""
    from preimage.latents.statistics import Moments

    return _pag(Moments.empty(split.store.latent_dim).plus(split.held_out()), std, prior)


def fit_agreement(prior: Prior, split: Split) -> dict[str, float | None]:
    """PAG against a prior, of the codes that it was fitted to and of those that were held out; None as above.

    For n held-out and m fitted codes from one Gaussian with mean 0, and a Gaussian fitted to the m, its
    expectation is about d (d + 1) / 4 * (1 / n + 1 / m), of pure chance.
    """
    from preimage.latents.statistics import Moments

    fitted = _pag(Moments.empty(split.store.latent_dim).plus(split.training()), None, prior)
    held_out = held_out_pag(split, prior=prior)
    return {IN_SAMPLE: fitted and fitted.pag, HELD_OUT: held_out and held_out.pag}


def _pag(moments: Moments, std: float | None, prior: Prior | None) -> PagResult | None:
    from preimage.metrics.pag import moments_pag

    try:
        return moments_pag(moments, std, prior)
    except PagError:
        return None
