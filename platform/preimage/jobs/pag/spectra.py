"""Spectra of several stores' codes in one picture and one table (flexible-priors, appendix D, figure 8)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import colormaps
from torch import Tensor

from preimage.figures.plots import figure_png, new_figure
from preimage.figures.tables import markdown
from preimage.metrics.pag import PagResult
from preimage.metrics.spectrum import effective_rank

LOW = 0.5
"""Codes are called of low rank if their effective rank is below this share of their dimensions."""


@dataclass(frozen=True)
class Spectrum:
    """The codes of one store."""

    store: str
    """As the spec names it."""
    pag: PagResult
    std: float
    """Of one component of the prior that they are compared with."""

    @property
    def latent_dim(self) -> int:
        return len(self.pag.singular_values)

    @property
    def values(self) -> Tensor:
        """(d,) descending: singular values over sqrt(N) and the prior's std; about 1 for its own codes."""
        return self.pag.singular_values / (self.pag.count**0.5 * self.std)

    @property
    def rank(self) -> float:
        """The effective rank."""
        return effective_rank(self.values)


def numbers(spectra: Sequence[Spectrum]) -> dict[str, dict[str, Any]]:
    """Each store's numbers, under `d20`; of several stores with as many dimensions `d20-1`, `d20-2`, ..."""
    dims, seen, found = Counter(each.latent_dim for each in spectra), Counter[int](), {}
    for each in spectra:
        seen[each.latent_dim] += 1
        number = f"-{seen[each.latent_dim]}" if dims[each.latent_dim] > 1 else ""
        found[f"d{each.latent_dim}{number}"] = {
            "pag": each.pag.pag,
            "pag_raw": each.pag.pag_raw,
            "pag_n": each.pag.count,
            "smallest": each.values[-1].item(),
            "largest": each.values[0].item(),
            "effective_rank": each.rank,
        }
    return found


def spectra_png(spectra: Sequence[Spectrum], normal: Spectrum) -> bytes:
    """A curve for each store, and a dashed one for codes of the prior."""
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    for i, each in enumerate(spectra):
        colour = colormaps["viridis"](0.9 * i / max(len(spectra) - 1, 1))
        label = f"{each.store}, d = {each.latent_dim}: PAG {each.pag.pag:.2f}"
        axes.plot(range(1, each.latent_dim + 1), each.values, "o-", color=colour, markersize=3, label=label)
    label = f"{normal.store}, d = {normal.latent_dim}: PAG {normal.pag.pag:.2f}"
    axes.plot(range(1, normal.latent_dim + 1), normal.values, "--", color="grey", label=label)
    axes.set(xlabel="component", ylabel="singular value / (√N σ)", title="Spectra of the latent codes")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure_png(figure)


def table(spectra: Sequence[Spectrum], normal: Spectrum) -> str:
    """Markdown, with a verdict on the paper's "not indicative of low rank"."""
    rows = [["codes", "d", "N", "PAG", "PAG raw", "smallest / √N", "largest / √N", "effective rank", "of d"]]
    for each in (*spectra, normal):
        ends = (f"{each.values[at]:.3f}" for at in (-1, 0))
        pags = f"{each.pag.pag:.3f}", f"{each.pag.pag_raw:,.0f}"
        rank = f"{each.rank:.1f}", f"{each.rank / each.latent_dim:.0%}"
        rows.append([each.store, f"{each.latent_dim}", f"{each.pag.count:,}", *pags, *ends, *rank])
    low = [each.store for each in spectra if each.rank < LOW * each.latent_dim]
    found = f"of low rank: {', '.join(low)}" if low else "none is of low rank"
    verdict = f'The paper: "not indicative of low rank latent data". Here {found}'
    return f"{ABOUT}\n\n{markdown(rows)}\n\n{verdict}.\n"


ABOUT = (
    "Singular values of the codes (flexible-priors, appendix D and figure 8, which prints no numbers), the "
    "smallest and the largest, in units of the prior's standard deviation. PAG raw grows with N. Effective "
    "rank: e to the entropy of the singular values as shares of their sum; where it is below "
    f"{LOW:.0%} of d, the codes are called of low rank."
)
