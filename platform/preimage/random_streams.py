"""Random numbers: one stream for each purpose, and one counter-based generator.

A seed and a stream's key determine every draw. No two purposes share a stream: the same numbers as, say, the
codes of a training run and the codes of its evaluation would make the evaluation flattering.
"""

from __future__ import annotations

from enum import Enum, unique
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor


_STEP, _MIX1, _MIX2 = -7046029254386353131, -4658895280553007687, -7723592293110705685
"""SplitMix64's constants (Steele, Lea and Flood 2014, figure 17), as signed 64-bit integers."""
_WORD = (1 << 64) - 1
_FAR = 1 << 40
"""Larger than any lane of a batch, so that no key of two numbers is one of BATCHES."""


class Key(NamedTuple):
    """What tells a stream from the others of the same seed: fixed numbers, then indices."""

    prefix: tuple[int, ...]
    indices: int = 0
    """How many indices follow: each of their values has draws of its own."""
    use: Literal["generator", "counter", "seed"] = "generator"
    """What takes its seed: a torch.Generator; `uniform` and `normal`; or another stream. The same key means
    other numbers in each."""


@unique
class Stream(Enum):
    """The purposes of random draws, and their keys."""

    NETWORKS = Key(())
    """Initial weights: the seed itself."""
    BATCHES = Key((), 2)
    """The order of a lane's images in an epoch: lane, epoch."""
    TRAINING_CODES = Key((1,))
    """The codes of a GAN's steps."""
    SAMPLE_GRID = Key((2,))
    """The codes of the grids that a training run draws."""
    SCORED_CODES = Key((3,))
    """The codes of the samples that a training run scores."""
    FEATURE_NOISE = Key((4,))
    """The noise on a DFM-GAN's features."""
    DENOISER = Key((5,))
    """A denoiser's initial weights."""
    PRIOR_CODES = Key((0, 0, 0))
    """Codes to recover, to draw or to compare."""
    PRIOR_LABELS = Key((_FAR + 40,))
    """The classes of such codes, for a conditional generator."""
    PRIOR_NOISE = Key((_FAR + 1,))
    """The codes that a PGAN draws to be scored."""
    FLIPS = Key((_FAR + 2,))
    """Which images a classifier sees mirrored."""
    EVALUATED_CODES = Key((_FAR + 3,), 1)
    """The codes of the samples that an evaluation scores: piece."""
    INIT_CODES = Key((_FAR + 4,), 2)
    """Where a search starts: image_id, restart."""
    REGRESSION = Key((_FAR + 5,))
    """The codes that the regression of codes on images is fitted to."""
    WHITENING = Key((_FAR + 6,))
    """The codes at which the metric tensor is measured."""
    NORMAL_CODES = Key((_FAR + 7,))
    """Codes of N(0, I), whose spectrum is shown beside that of the codes found."""
    PCA = Key((_FAR + 8,))
    """Where the search for principal components starts."""
    MIXTURE = Key((_FAR + 9,))
    """The first means of a mixture."""
    PRIOR_MOMENTS = Key((_FAR + 10,))
    """The codes that a prior's second moment is measured on."""
    PRIOR_SPREAD = Key((_FAR + 11,))
    """The codes that a PGAN's spread is measured on."""
    LANDSCAPE = Key((_FAR + 12,), 1)
    """The seed of a landscape's network: number."""
    EXPANSIVITY = Key((_FAR + 13,), 1)
    """The seed of a random network whose codes are recovered: number."""
    EXPANSIVITY_CODES = Key((_FAR + 14,))
    """The codes that such a network's images are made of, and their starts."""
    DIRECTIONS = Key((_FAR + 40,), 1)
    """The seed of a random network whose descent directions are measured: number."""
    DIRECTION_CODES = Key((_FAR + 41,))
    """The codes to find in such a network, and the planes in which the cost is measured."""
    RANK_CODES = Key((_FAR + 19,))
    """Codes of the prior, whose local rank stands beside that of the codes found."""
    UNTRAINED = Key((_FAR + 15,), 1)
    """The seed of an untrained network: number."""
    CALIBRATION = Key((_FAR + 16,))
    """The codes on which an untrained network's BatchNorms take their statistics."""
    IMPORT = Key((_FAR + 21,))
    """The codes on which a generator is tried when it is imported."""
    MAPPED_PRIOR = Key((_FAR + 22,))
    """The codes that a mapping network takes to another latent space, whose prior is fitted to them."""
    RANGE = Key((_FAR + 23,))
    """The codes at which a generator's range of values is measured."""
    LOADED_GROUPS = Key((_FAR + 30,), 1)
    """The order in which a loader takes a store's row groups: epoch."""
    LOADED_ROWS = Key((_FAR + 31,), 2)
    """The order of the codes in a loader's window: epoch, number of the window."""
    REPEATS = Key((), 1, use="seed")
    """The seed of a repeated comparison: number."""
    CONTINUED = Key((_FAR + 24,), 1, use="seed")
    """The seed of a training run that continues another: the other's fingerprint."""
    PLUGIN = Key((_FAR + 25,), 1)
    """What a plugin draws: the purpose, by `purpose`."""
    REBUILT_PRIOR = Key((_FAR + 26,))
    """The draws by which a plugin's prior is compared with what its tensors rebuild."""
    OPERATOR_PROBES = Key((_FAR + 27,))
    """The images on which a linear operator is tried."""
    SENSITIVE_DIRECTIONS = Key((_FAR + 28,))
    """Where the search for a generator's most sensitive directions starts."""
    COMPLETIONS = Key((_FAR + 29,))
    """The codes that completions of an image may start from, and their classes."""
    BROWSED_SAMPLES = Key((_FAR + 50,))
    """The samples that a page shows."""
    PRIOR_COVARIANCE = Key((_FAR + 51,))
    """The codes that a prior's mean and covariance are measured on."""

    GLO_CODES = Key((), use="counter")
    """GLO's random initial codes."""
    MASKS = Key((1,), use="counter")
    """Which pixels a random mask shows."""
    MEASUREMENT_NOISE = Key((2,), use="counter")
    """The noise of a measurement."""
    REDRAWS = Key((3,), use="counter")
    """Components that stochastic clipping draws again."""
    CONDITIONAL_CODES = Key((4,), use="counter")
    """Where the searches for conditional samples start."""
    GAUSSIAN_MATRIX = Key((5,), use="counter")
    """The entries of a Gaussian measurement matrix."""
    UNTRAINED_STARTS = Key((_FAR + 18,), 1, use="counter")
    """Where searches through an untrained network start: number."""

    def seed(self, seed: int, *indices: int) -> int:
        """A 63-bit seed of its own for this purpose and these indices."""
        key = self.value
        assert len(indices) == key.indices, f"{self.name} takes {key.indices} indices"
        parts = (*key.prefix, *indices)
        return _chained(seed, *parts) if parts else seed

    def generator(self, seed: int, *indices: int, device: torch.device | str = "cpu") -> torch.Generator:
        """A generator at the beginning of this stream."""
        import torch

        assert self.value.use == "generator"
        return torch.Generator(device).manual_seed(self.seed(seed, *indices))


def restore(generator: torch.Generator, state: Tensor) -> None:
    """Continue from a saved state. One that was saved on another kind of device cannot be: then the generator
    begins anew, with a seed that the state determines."""
    if len(state) == len(generator.get_state()):
        generator.set_state(state)
    else:
        found = sha256(state.numpy().tobytes()).digest()
        generator.manual_seed(int.from_bytes(found[:7], "big"))


def purpose(text: str) -> int:
    """The index in Stream.PLUGIN of a plugin's own purpose: any text, such as `my-package: first weights`."""
    return int.from_bytes(sha256(text.encode()).digest()[:7], "big")


def uniform(seed: int, ids: Tensor, counter: Tensor | int, columns: int) -> Tensor:
    """(n, columns) float32 uniform on [0, 1), on the device of the ids.

    They depend on the seed, the image's id and the counter, not on the batch, its size, or what was drawn
    before. ids: (n,) int64; counter: (n,) int64 or one number for all: the index of the image's draw.
    """
    import torch

    row = _mix(_mix(ids.to(torch.int64) + _mix(torch.full_like(ids, seed))) + counter)
    bits = _mix(row[:, None] + torch.arange(columns, device=ids.device) * _STEP)
    return _shift(bits, 40).to(torch.float32) * 2.0**-24


def normal(seed: int, ids: Tensor, counter: Tensor | int, columns: int) -> Tensor:
    """(n, columns) float32 from N(0, 1), by the Box-Muller transform."""
    import torch

    radius, angle = uniform(seed, ids, counter, 2 * columns).double().chunk(2, dim=1)
    return ((-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * torch.pi * angle)).float()


def place_of(ids: Tensor) -> Tensor:
    """A fixed number (n,) float64 in [0, 1) for each id, as if drawn uniformly; no seed changes it."""
    import torch

    return _shift(_mix(ids.to(torch.int64)), 11).double() * 2.0**-53


def _chained(*parts: int) -> int:
    """One 63-bit seed from several numbers; a change in any of them gives an unrelated seed."""
    value = _STEP & _WORD
    for part in parts:  # _mix, but 80 times faster on a single number
        value = ((value ^ part) + _STEP) & _WORD
        value = ((value ^ value >> 30) * _MIX1) & _WORD
        value = ((value ^ value >> 27) * _MIX2) & _WORD
        value ^= value >> 31
    return value >> 1


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's output function; int64 arithmetic wraps as unsigned arithmetic does."""
    x = x + _STEP
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; torch's own repeats the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
