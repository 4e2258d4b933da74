"""Why a code was not recovered from its whole image."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from preimage.config import Config
from preimage.inversion.conditioning import jacobians_that_fit
from preimage.inversion.jacobian import Jacobian
from preimage.inversion.labels import generate, labels_at
from preimage.inversion.optimize_for_inference import InPrecision, freeze
from preimage.inversion.reasons import Reason

RESOLUTION = 8 * torch.finfo(torch.float32).eps
"""Images that differ by less, relative to their root mean square, are equal in float32 after a few layers."""


class Unrecovered(Config):
    """A code that was not found, and why."""

    row: int
    """Which of the codes."""
    reason: Reason
    """rank: at the true code there are directions in which the image does not change. saturation: the image
    would change in all of them but for pixels at -1 or 1, whose derivative vanishes; or most of the found
    code's error is in such pixels, which a search cannot move. another code: the found code's image is the
    target. stopped: none of these, so the search ended at a local minimum or at its limit of steps."""
    code_error: float
    """Mean over the components of the squared difference."""
    image_error: float
    """Root mean square of the difference, relative to that of the target."""
    rank: int
    """At the true code, the directions in which a step as long as the smallest unrecovered error changes the
    image by more than float32 resolves."""
    saturated: float
    """The share of the true image's pixels that float32 hardly tells from -1 or 1."""


def unrecovered(
    generator: nn.Module, codes: Tensor, found: Tensor, threshold: float, labels: Tensor | None = None
) -> list[Unrecovered]:
    """The codes (n, d) from whose images `found` (n, d) has a mean squared error of at least `threshold`, and
    why.

    labels: (n,) int64, for a conditional generator. Costs 3 + d generator evaluations, in float64, for each
    code that was not found. Raises NoJacobianError if torch cannot compute the Jacobian in float64, or for
    lack of memory.
    """
    error = (found - codes).double().square().mean(1)
    rows = (~(error < threshold)).nonzero().squeeze(1)
    if not len(rows):
        return []
    exact = freeze(generator, codes.device, torch.float64, optimize=False)
    network = exact.network if isinstance(exact, InPrecision) else exact
    first = codes[rows[:1]].double()
    jacobians_that_fit(network, first, labels_at(labels, rows[:1].cpu(), codes.device))
    jacobian = Jacobian.of(network, torch.zeros_like(first))
    length = (threshold * codes.shape[1]) ** 0.5
    reasons = []
    for row in rows.tolist():
        label = labels_at(labels, slice(row, row + 1), codes.device)
        target, slopes = jacobian(codes[row : row + 1].double(), label)
        with torch.no_grad():
            image = generate(network, found[row : row + 1].double(), label).flatten()
        target, slopes = target.flatten(), slopes[0].flatten(1) * length
        size = target.norm().item()
        rank = _rank(slopes, RESOLUTION * size)
        difference = (image - target).square()
        if rank < len(slopes):
            reason = "saturation" if _unsaturated_rank(slopes, target, size) == len(slopes) else "rank"
        elif difference.sum().sqrt().item() <= RESOLUTION * size:
            reason = "another code"
        else:
            stopped = difference[~_saturated(image)].sum() > 0.5 * difference.sum()
            reason = "stopped" if stopped or not image.isfinite().all() else "saturation"
        reasons.append(
            Unrecovered(
                row=row,
                reason=reason,
                code_error=error[row].item(),
                image_error=difference.sum().sqrt().item() / max(size, torch.finfo(torch.float64).tiny),
                rank=rank,
                saturated=_saturated(target).double().mean().item(),
            )
        )
    return reasons


def reasons_text(found: Sequence[Unrecovered]) -> str:
    """Such as "2 rank, 1 stopped"; "none" without any."""
    counts = Counter(each.reason for each in found).most_common()
    return ", ".join(f"{n} {reason}" for reason, n in counts) or "none"


def _saturated(pixels: Tensor) -> Tensor:
    """(P,) bool: a tanh within a few steps of float32 from its limits."""
    return (1 - pixels.abs()).abs() <= RESOLUTION


def _rank(slopes: Tensor, resolution: float) -> int:
    """How many singular values of (d, P) exceed what the image resolves."""
    return int((torch.linalg.svdvals(slopes) > resolution).sum())


def _unsaturated_rank(slopes: Tensor, image: Tensor, size: float) -> int:
    """The rank if saturated pixels were their tanh's arguments. One that has lost even these, in float64 too,
    may add one direction."""
    saturated = _saturated(image)
    lost = saturated & (slopes == 0).all(0)
    steepness = torch.where(saturated & (image.abs() < 1), 1 - image.square(), 1.0)
    restored = _rank(slopes / steepness, RESOLUTION * size)
    return min(len(slopes), restored + int(lost.sum()))
