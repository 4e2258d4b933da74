"""The results of a compare-reconstructions job as metrics and as a table, beside the paper's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.data.image_shape import shape_text
from preimage.figures.tables import markdown
from preimage.jobs.compare_reconstructions.job import PAIR
from preimage.jobs.published import GLO_ERRORS, Published, closest
from preimage.metrics.reconstruction import Reconstruction
from preimage.metrics.spectrum import directions_for, effective_rank

MOST = 0.9
"""The table counts the directions that hold this fraction of the codes' variance."""


@dataclass(frozen=True)
class MethodRow:
    """The results of one method."""

    latent_dim: int
    found: Reconstruction
    explained: Tensor
    """(d,): the fraction of the codes' variance in their first k principal directions."""

    @property
    def directions(self) -> int:
        return directions_for(MOST, self.explained)

    @property
    def effective_rank(self) -> float:
        shares = torch.diff(self.explained, prepend=self.explained.new_zeros(1))
        return effective_rank(shares.clamp_min(0).sqrt())


@dataclass(frozen=True)
class CompareReconstructionsReport:
    """The results of all methods, by name."""

    rows: Mapping[str, MethodRow]
    dataset: Dataset

    @property
    def paper(self) -> dict[str, float]:
        """The paper's errors, for these methods and images where it prints them."""
        published = self._published
        return {name: published.values[name] for name in self.rows if published and name in published.values}

    @property
    def _published(self) -> Published | None:
        return closest(GLO_ERRORS, self.dataset.config)

    def errors(self, kind: Literal["mse", "lap1"]) -> dict[str, float]:
        return {name: getattr(row.found, kind) for name, row in self.rows.items()}

    def with_errors(self) -> list[str]:
        """The methods' names, each with its squared error below it."""
        return [f"{name}\nMSE {error:.3g}" for name, error in self.errors("mse").items()]

    @property
    def explained(self) -> dict[str, Tensor]:
        """For each method (d,): the fraction of the codes' variance in their first k directions."""
        return {name: row.explained for name, row in self.rows.items()}

    def metrics(self) -> dict[str, Any]:
        """`ordering` lists the methods from the lowest squared error up. A spectrum is flatter than another
        if its effective rank is higher (glo, figure 2)."""
        mse = self.errors("mse")
        rank = {name: row.effective_rank for name, row in self.rows.items()}
        verdicts = (
            {
                "glo_beats_pca": mse["GLO (L2)"] < mse["PCA"],
                "glo_is_flatter_than_pca": rank["GLO (L2)"] > rank["PCA"],
            }
            if mse.keys() >= PAIR
            else {}
        )
        return {
            "images": self.dataset.count,
            "table": {name: _metrics(row) for name, row in self.rows.items()},
            "ordering": sorted(mse, key=mse.__getitem__),
            **verdicts,
        }

    def table(self) -> str:
        """Markdown."""
        data = self.dataset.config
        papers = self.paper
        beside = ["paper's MSE"] if papers else []
        table = [
            ["method", "d", "images", "MSE", *beside, "Lap1", "explained", "directions", "effective rank"]
        ]
        for name, row in self.rows.items():
            found, paper = row.found, papers.get(name)
            counts = [str(row.latent_dim), f"{found.count:,}"]
            published = [f"{paper:g}" if paper else "-"] if papers else []
            errors = [f"{found.mse:.3g}", *published, f"{found.lap1:.3g}"]
            table.append([name, *counts, *errors, f"{found.explained:.1%}"])
            table[-1] += [str(row.directions), f"{row.effective_rank:.1f}"]
        parts = [
            f"Reconstruction of {self.dataset.count:,} images of {data.source} {data.split}, "
            f"{shape_text(data.shape)}, from their codes.",
            markdown(table),
            "MSE: (g(z) - x)^2, averaged over pixels, channels and images, of images in [-1, 1]. Lap1: every "
            "level of the pyramid counts the same. Explained: the share of the images' variance, 1 - MSE / "
            f"the MSE of the mean image. Directions: how many singular vectors hold {MOST:.0%} of the "
            "variance of the codes. Effective rank: e to the entropy of the singular values, as shares of "
            "their sum; d if all are equal.",
        ]
        if self.paper and self._published:
            parts.append(self._published.remark(data, self.dataset.count))
        if skipped := {name: row.found.skipped for name, row in self.rows.items() if row.found.skipped}:
            counts = ", ".join(f"{name} {count:,}" for name, count in skipped.items())
            parts.append(f"Skipped, because the search for their codes diverged: {counts}.")
        return "\n\n".join(filter(None, parts)) + "\n"


def _metrics(row: MethodRow) -> dict[str, float]:
    """One for each name in METRICS."""
    found = row.found
    return {
        "mse": found.mse,
        "lap1": found.lap1,
        "lap1_paper": found.lap1_paper,
        "explained": found.explained,
        "latent_dim": row.latent_dim,
        "directions": row.directions,
        "effective_rank": row.effective_rank,
        "images": found.count,
        "skipped": found.skipped,
    }
