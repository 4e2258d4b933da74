"""Spectra of stores' codes, as metrics and as a table (flexible-priors, appendix D, figure 8)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from preimage.figures.tables import markdown
from preimage.metrics.pag import PagResult, normal_pag
from preimage.metrics.spectrum import effective_rank

LOW = 0.5
"""Codes are called of low rank if their effective rank is below this share of their dimensions."""


@dataclass(frozen=True)
class Spectrum:
    """The codes of one store."""

    name: str
    """What pictures and tables call it."""
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


def of_normal_codes(like: Spectrum, seed: int) -> Spectrum:
    """The spectrum of as many codes of N(0, I), with as many dimensions."""
    return Spectrum("normal codes", normal_pag(like.latent_dim, like.pag.count, seed), 1.0)


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


def table(spectra: Sequence[Spectrum], normal: Spectrum) -> str:
    """Markdown, with a verdict on the paper's "not indicative of low rank"."""
    rows = [["codes", "d", "N", "PAG", "PAG raw", "smallest / √N", "largest / √N", "effective rank", "of d"]]
    for each in (*spectra, normal):
        ends = (f"{each.values[at]:.3f}" for at in (-1, 0))
        pags = f"{each.pag.pag:.3f}", f"{each.pag.pag_raw:,.0f}"
        rank = f"{each.rank:.1f}", f"{each.rank / each.latent_dim:.0%}"
        rows.append([each.name, f"{each.latent_dim}", f"{each.pag.count:,}", *pags, *ends, *rank])
    low = [each.name for each in spectra if each.rank < LOW * each.latent_dim]
    found = f"of low rank: {', '.join(low)}" if low else "none is of low rank"
    verdict = f'The paper: "not indicative of low rank latent data". Here {found}'
    return f"{ABOUT}\n\n{markdown(rows)}\n\n{verdict}.\n"


ABOUT = (
    "Singular values of the codes (flexible-priors, appendix D and figure 8, which prints no numbers), the "
    "smallest and the largest, in units of the prior's standard deviation. PAG raw grows with N. Effective "
    "rank: e to the entropy of the singular values as shares of their sum; where it is below "
    f"{LOW:.0%} of d, the codes are called of low rank."
)
