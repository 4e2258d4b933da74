"""How well conditioned a generator is, and what the local rate of gradient descent predicts from it.

Near the code z* of an image the engine's loss is (z - z*)^T J J^T (z - z*) / pixels, J (d, pixels) the
Jacobian of what is observed. So a step of plain descent at rate lr multiplies the error along an eigenvector
of J J^T / pixels by 1 - 2 lr l, l its eigenvalue.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from preimage.float32 import float32_products
from preimage.inversion.config import InversionConfig, follows_local_rate
from preimage.inversion.free_memory import GIB, free_memory
from preimage.inversion.jacobian import Jacobian, JacobianTooLargeError, NoJacobianError
from preimage.inversion.labels import generate, in_batches, labels_at
from preimage.inversion.measurements import Measurement
from preimage.inversion.optimize_for_inference import freeze

ROWS = 4
"""Codes whose Jacobians are in memory at a time; fewer where they do not fit."""
NEVER = 10**12
"""Steps beyond which no descent is followed."""


@dataclass(frozen=True)
class Spectra:
    """The eigenvalues of J J^T / pixels at n codes, and what they come to."""

    values: Tensor
    """(n, d) float64, ascending, not negative."""

    @property
    def smallest(self) -> float:
        """The smallest eigenvalue of a code, the median over codes."""
        return self.values[:, 0].median().item()

    @property
    def worst(self) -> float:
        """The smallest eigenvalue of all codes."""
        return self.values[:, 0].min().item()

    @property
    def largest(self) -> float:
        """The largest eigenvalue of all codes."""
        return self.values[:, -1].max().item()

    @property
    def conditions(self) -> Tensor:
        """(n,) float64, each code's largest eigenvalue over its smallest; at most 1 / (d eps)^2, beyond which
        a float32 Jacobian does not know the smallest."""
        rounding = (self.values.shape[1] * torch.finfo(torch.float32).eps) ** 2
        largest = self.values[:, -1].clamp_min(torch.finfo(torch.float64).tiny)
        return largest / torch.maximum(self.values[:, 0], rounding * largest)

    @property
    def condition(self) -> float:
        """The median over codes."""
        return self.conditions.median().item()

    @property
    def stability_limit(self) -> float:
        """1 / largest: plain descent at a higher rate moves away from some of these codes."""
        return 1 / self.largest if self.largest else float("inf")


@dataclass(frozen=True)
class Conditioning(Spectra):
    """The same with the codes and the directions that they are of."""

    rows: Tensor
    """(n,) int64: which of the codes given they are."""
    codes: Tensor
    """(n, d)"""
    vectors: Tensor
    """(n, d, d) float64: column i is the eigenvector of value i."""

    def predict(self, starts: Tensor, config: InversionConfig) -> "LocalRate":
        """What the local rate predicts for searches from starts (n, d), one for each code, of a solver that
        `follows_local_rate`."""
        assert follows_local_rate(config)
        assert config.lr is not None
        apart = (starts - self.codes).double()
        along = torch.einsum("ndi,nd->ni", self.vectors, apart).square()
        return LocalRate(self.values, along, config.lr, config.lr_halving_steps, config.steps)


@dataclass(frozen=True)
class LocalRate:
    """The errors of n codes as the local rate has them: exact for a linear generator without a constraint."""

    values: Tensor
    """(n, d), the eigenvalues."""
    along: Tensor
    """(n, d), the squared distances of the start from the code along the eigenvectors."""
    lr: float
    lr_halving_steps: int | None
    steps: int
    """Codes that the engine evaluates: it moves between them, one time less."""

    def errors_after(self, moves: Tensor) -> Tensor:
        """(n,) the squared error averaged over components, after moves (n,); inf where it diverged."""
        return (self.along * (2 * self._log_factor(moves)).exp()).mean(1)

    @property
    def errors(self) -> Tensor:
        """(n,) after all the steps."""
        return self.errors_after(torch.full((len(self.values),), self.steps - 1))

    def share(self, threshold: float) -> float:
        """The share of codes whose error is below the threshold after all the steps."""
        return (self.errors < threshold).double().mean().item()

    def steps_to(self, threshold: float) -> Tensor:
        """(n,) float64: the steps after which the error is below the threshold; inf if it never is, as where
        the rate is halved too soon. The schedule goes on beyond the config's steps."""
        low, high = (torch.full((len(self.values),), each) for each in (0, NEVER))
        never = ~(self.errors_after(high) < threshold)
        while (high - low).max() > 1:
            middle = (low + high) // 2
            below = self.errors_after(middle) < threshold
            low, high = torch.where(below, low, middle), torch.where(below, middle, high)
        moves = torch.where(self.errors_after(low) < threshold, low, high)
        return (moves + 1.0).double().masked_fill(never, torch.inf)

    def _log_factor(self, moves: Tensor) -> Tensor:
        """(n, d) float64, the logarithm of |prod_t (1 - 2 lr_t l)| over the moves (n,)."""
        every = self.lr_halving_steps
        total, halvings = torch.zeros_like(self.values), 0
        while halvings < 64:  # then the rate is below rounding
            taken = moves if every is None else (moves - halvings * every).clamp(0, every)
            rate = self.lr * 0.5**halvings
            each = torch.log((1 - 2 * rate * self.values).abs().clamp_min(torch.finfo(torch.float64).tiny))
            total = total + taken[:, None] * each
            halvings += 1
            if every is None or int(moves.max()) <= halvings * every:
                break
        return total


@torch.inference_mode(False)
def measure_conditioning(
    generator: nn.Module,
    codes: Tensor,
    labels: Tensor | None = None,
    measurement: Measurement | None = None,
    ids: Tensor | None = None,
) -> Conditioning:
    """At codes (n, d), for images of which all is observed, or what the measurement observes.

    labels: (n,) int64, of a conditional generator. ids: (n,) int64, the images', which determine random
    masks; default: the row numbers. Codes where the Jacobian is not finite are left out. Costs 1 + d
    generator evaluations a code. Raises NoJacobianError, or JacobianTooLargeError for lack of memory.
    """
    values, vectors, kept = [], [], []
    for square in squares(generator, codes, labels, measurement, ids):
        fine = square.flatten(1).isfinite().all(1)
        value, vector = torch.linalg.eigh(square[fine])
        kept.append(fine.cpu())
        values.append(value.clamp_min(0).cpu())
        vectors.append(vector.cpu())
    if not any(map(torch.any, kept)):
        raise NoJacobianError("the generator's Jacobian is not finite at any code")
    whole = torch.cat(kept).nonzero().squeeze(1)
    return Conditioning(torch.cat(values), whole, codes.cpu()[whole], torch.cat(vectors))


def squares(
    generator: nn.Module,
    codes: Tensor,
    labels: Tensor | None = None,
    measurement: Measurement | None = None,
    ids: Tensor | None = None,
) -> Iterator[Tensor]:
    """J J^T / pixels (some, d, d) float64 of some codes after the other, on their device; the arguments and
    the errors are those of `measure_conditioning`."""
    network, codes = freeze(generator, codes.device, optimize=False), codes.float()
    if not len(codes):
        return
    labels = labels_at(labels, slice(None), codes.device)
    rows = min(ROWS, jacobians_that_fit(network, codes[:1], labels_at(labels, slice(1), codes.device)))
    jacobian = Jacobian.of(network, torch.zeros_like(codes[:1]))
    ids = torch.arange(len(codes)) if ids is None else ids
    for (some, own), numbers in zip(in_batches(codes, labels, rows), ids.split(rows), strict=True):
        yield _square(jacobian, some, own, measurement, numbers)


@float32_products("ieee")
def _square(
    jacobian: Jacobian, codes: Tensor, labels: Tensor | None, measurement: Measurement | None, ids: Tensor
) -> Tensor:
    slopes = jacobian(codes, labels)[1]
    count = torch.full((len(codes),), float(slopes[0, 0].numel()), device=codes.device)
    if measurement:
        slopes = measurement.reduce(slopes.flatten(0, 1)).unflatten(0, slopes.shape[:2])
        count = count.fill_(slopes[0, 0].numel())
        if (mask := measurement.masks(ids.to(codes.device))) is not None:
            slopes, count = slopes * mask[:, None], mask.flatten(1).sum(1) * slopes.shape[2]
    flat = slopes.flatten(2).double()
    return flat @ flat.mT / count.double()[:, None, None]


@float32_products("ieee")
def jacobians_that_fit(network: nn.Module, code: Tensor, label: Tensor | None) -> int:
    """How many Jacobians, in the precision of a code (1, d), fit into the memory there is.

    Raises JacobianTooLargeError if not one does.
    """
    with torch.no_grad(), _Largest() as widest:
        pixels = generate(network, code, label).numel()
    dim, size = code.shape[1], code.element_size()
    # tangents of an operation's input and output, then the Jacobian, joined, and in float64, and J J^T
    needed = dim * (2 * size * widest.numel + (size + size + 8) * pixels + 3 * 8 * dim)
    free = free_memory(code.device)
    if needed > free:
        raise JacobianTooLargeError(
            f"the Jacobian of {pixels:,} pixels by {dim:,} components needs {needed / GIB:.1f} GiB of "
            f"memory, and {free / GIB:.1f} are free: use a machine with more, or a smaller generator"
        )
    return free // needed


class _Largest(TorchDispatchMode):
    """Notes the most numbers that any operation returns."""

    numel = 1

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.numel = max(self.numel, made.numel())
        return made
