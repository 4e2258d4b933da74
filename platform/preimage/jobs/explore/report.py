"""The conditional draws of an explore job as metrics and as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from preimage.figures.tables import markdown
from preimage.jobs.published import GLO_CONDITION
from preimage.work.trials import Results


@dataclass(frozen=True)
class ExploreReport:
    """The results of the conditional draws. Errors skip the draws that diverged."""

    found: Mapping[int, Results]
    """The results of each conditioned image's trial, by the image's id."""
    draws: int
    """How many images are drawn for each."""
    remark: str = ""
    """What differs from the paper's images."""

    def metrics(self) -> dict[str, Any]:
        errors = torch.cat([_errors(each) for each in self.found.values()])
        diverged = sum(int(each["diverged"].sum()) for each in self.found.values())
        spread, free = self._mean("spread"), self._mean("unconditional")
        return {
            "conditions": len(self.found),
            "draws": self.draws,
            "relative_error": errors.mean().item(),
            "relative_error_median": errors.median().item(),
            "spread": spread,
            "spread_unconditional": free,
            "diverged": diverged,
        }

    def table(self) -> str:
        """Markdown."""
        rows = [["image", "relative error", "its largest", "spread", "without condition"]]
        for image, each in self.found.items():
            errors, spreads = _errors(each), (each["spread"].item(), each["unconditional"].item())
            rows.append([str(image), *_cells(errors.mean().item(), errors.max().item(), *spreads)])
        means = self.metrics()
        spreads = means["spread"], means["spread_unconditional"]
        rows.append(["**all**", *_cells(means["relative_error"], None, *spreads)])
        intro = (
            f"{self.draws} images drawn for each, that agree with what is seen of it. The relative error is "
            "the squared error of what is seen, over the squared norm of what is seen of the image: its mean "
            f"and its largest over the draws; the paper's mean, of averages over 8 x 8 pixels, is about "
            f"{GLO_CONDITION.values['relative_error']:.0e} (glo, figure 7). "
            "The spread is of what is not seen: the standard deviation over the draws, averaged over the "
            "pixels of images in [-1, 1]; beside it that of as many images drawn without a condition."
        )
        return "\n\n".join(filter(None, (intro, self.remark, markdown(rows)))) + "\n"

    def _mean(self, name: str) -> float:
        return torch.cat([each[name] for each in self.found.values()]).mean().item()


def _errors(found: Results) -> Tensor:
    """The errors (n,) of the draws that did not diverge; a single NaN if all did."""
    errors = found["relative_error"][~found["diverged"].bool()].double()
    return errors if len(errors) else torch.tensor([torch.nan], dtype=torch.float64)


def _cells(error: float, largest: float | None, spread: float, free: float) -> list[str]:
    return [f"{error:.1e}", "" if largest is None else f"{largest:.1e}", f"{spread:.3f}", f"{free:.3f}"]
