"""The spread of priors that are known by name."""

from preimage.errors import PreimageError
from preimage.latents.priors import PRIORS, make_prior


class PagError(PreimageError):
    """PAG is not finite for these codes, or the prior's spread is unknown."""


def named_std(prior: str | None, latent_dim: int) -> float:
    """The std of one component of a fixed prior, by its name. Raises PagError for a fitted one, and for None:
    an unknown one."""
    if prior in PRIORS:
        return make_prior(prior, latent_dim).std
    if prior is None:
        raise PagError(
            "the store does not say which prior its codes should follow: set std, such as std=1 for N(0, I), "
            "or prior, a fitted one"
        )
    raise PagError(
        f"PAG compares codes with N(0, std^2 I), but the name {prior!r} does not determine the prior's std: "
        "give std, or the prior itself"
    )
