"""pag: how far the codes of a latent store are from the prior that the generator assumes."""

from typing import ClassVar, Literal

from pydantic import Field

from preimage.figures.plots import spectrum_png
from preimage.latents.store import Store
from preimage.metrics.pag import named_std, store_pag
from preimage.recipes.config import JobConfig, Product
from preimage.recipes.context import Context, Result

HEADLINE = ("pag", "pag_raw", "pag_n")


class PagConfig(JobConfig):
    """Measure the prior agreement of a latent store (flexible-priors, eq. 2): lower is better."""

    NEEDS: ClassVar[dict[str, Product]] = {"store": "store"}

    job: Literal["pag"] = "pag"
    store: str
    """An earlier step, a run's name or a latent store's folder."""
    std: float | None = Field(None, gt=0)
    """The prior's standard deviation; without it that of the generator's own prior."""


def cost(config: PagConfig, images: int | None) -> dict[str, int]:
    return {} if images is None else {"codes": images}


def run(config: PagConfig, context: Context) -> Result:
    """Stream the store once. `pag_n` codes count; those of images that diverged are `pag_left_out`."""
    store = Store.open(context.inputs["store"])
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
    }
    return Result(metrics, ("spectrum.png",))
