"""two-sample-test: whether codes could have been drawn from a prior, by the maximum mean discrepancy."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from preimage.errors import StoreError
from preimage.figures.plots import figure_png, single_axes
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.references import StoreRef
from preimage.latents.held_out import Split
from preimage.latents.priors import make_prior
from preimage.latents.store import Store
from preimage.random_streams import Stream, purpose


class TwoSampleTestJob(Job):
    """Test whether the codes of a latent store could be draws from a prior (Gretton et al. 2012)."""

    job: Literal["two-sample-test"] = "two-sample-test"
    store: StoreRef
    """An earlier step, a run's name or a latent store's folder."""
    prior: Literal["normal", "uniform"] = "normal"
    """The prior that the codes are tested against."""
    codes: Annotated[int, Field(ge=10, le=5000)] = 500
    """Codes to test, at most; as many are drawn from the prior."""
    permutations: Annotated[int, Field(ge=20)] = 500
    """Random divisions of all codes into two sets, for the distribution if they came from one."""

    def metrics(self) -> Metrics:
        """`mmd`, the squared discrepancy; `p_value`, how often a random division's is as large."""
        return (*headline("mmd", "p_value"), *others("codes"))

    def cost(self, images: int | None) -> dict[str, int]:
        return {"permutations": self.permutations}

    def run(self, context: Context) -> Result:
        """Measure, and draw the distribution of random divisions."""
        store = Store.open(context.inputs["store"])
        z = Split(store, fraction=0).some(self.codes, held_out=False)
        if len(z) < 2:
            raise StoreError(
                f"{store.folder.uri} has {len(z)} codes, but the test takes 2: invert more images"
            )
        drawn = make_prior(self.prior, store.latent_dim).sample(len(z), self._random("draws"))
        kernel = gaussian_kernel(torch.cat([z, drawn]))
        found, random, advance = mmd(kernel, torch.arange(2 * len(z))), [], context.progress("permuting")
        shuffle = self._random("permutations")
        for done in range(self.permutations):
            random.append(mmd(kernel, torch.randperm(2 * len(z), generator=shuffle)))
            advance(done + 1, self.permutations)
        larger = sum(each >= found for each in random)
        metrics = {"mmd": found, "p_value": (larger + 1) / (len(random) + 1), "codes": len(z)}
        return Result(metrics, {"permutations.png": _permutations_png(found, random, self.prior)})

    def _random(self, what: str) -> torch.Generator:
        """Draws of its own for each purpose, which the spec's seed determines."""
        return Stream.PLUGIN.generator(self.seed, purpose(f"preimage-example: two-sample-test, {what}"))


def gaussian_kernel(x: Tensor) -> Tensor:
    """(n, n) float64: exp(-|x_i - x_j|^2 / (2 s^2)) of x (n, d), where s is the median distance."""
    squares = torch.cdist(x.double(), x.double()).square()
    return torch.exp(-squares / (2 * squares[squares > 0].median()))


def mmd(kernel: Tensor, order: Tensor) -> float:
    """The unbiased squared maximum mean discrepancy between the first and the second half of `order` (2n,)
    (Gretton et al. 2012, equation 3)."""
    n = len(order) // 2
    k = kernel[order][:, order]
    within = [(part.sum() - part.diagonal().sum()) / (n * (n - 1)) for part in (k[:n, :n], k[n:, n:])]
    return (within[0] + within[1] - 2 * k[:n, n:].mean()).item()


def _permutations_png(found: float, random: list[float], prior: str) -> bytes:
    figure, axes = single_axes()
    axes.hist(random, bins=40, color="lightgrey", label="random divisions")
    axes.axvline(found, color="tab:red", label=f"found codes and the {prior} prior")
    axes.set(xlabel="squared maximum mean discrepancy", ylabel="divisions")
    axes.legend(frameon=False)
    return figure_png(figure)
