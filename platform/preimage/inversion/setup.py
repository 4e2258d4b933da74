"""What is measured of a generator before the first search, for any number of images."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from preimage.inversion.config import PREDICTED, InitCodesName, InversionConfig
from preimage.inversion.generated_pairs import generate_pairs
from preimage.inversion.init_codes import Predictor, fit_predictor, whitening_of
from preimage.inversion.measurements import Measurement
from preimage.inversion.setup_size import SetupSize
from preimage.latents.priors import Prior


@dataclass(frozen=True)
class Setup:
    """What starts the searches, and the coordinates they take place in. Its tensors are contiguous: then they
    give the same bits once they were read from a file."""

    predictor: Predictor | None = None
    """What predicts the starts; None where they are drawn or given."""
    whitening: Tensor | None = None
    """(d, d), see `whitening_of`; None if it is not asked for."""
    passes: int = 0
    """Generator evaluations that it takes, now or when it was measured."""


class Asked(NamedTuple):
    """Which setup: with the generator, its prior and the measurement, all that determines it."""

    init_codes: InitCodesName | None
    """How starts are predicted; None: they are not."""
    size: SetupSize
    seed: int


def asked_of(config: InversionConfig, size: SetupSize, seed: int, *, start: bool, whiten: bool) -> Asked:
    """start: whether starts are to be predicted, if the config says so."""
    predicts = start and config.init_codes in PREDICTED
    gradients = size.gradients if whiten else 0
    pairs = size.pairs if predicts else gradients
    return Asked(config.init_codes if predicts else None, SetupSize(pairs, gradients), seed)


def measure_setup(
    asked: Asked, network: nn.Module, prior: Prior, measurement: Measurement, device: torch.device
) -> Setup:
    """Raises InversionError if the generator makes images that are not finite."""
    if not asked.size.pairs:
        return Setup()
    pairs = generate_pairs(network, prior, asked.seed, device, measurement, asked.size)
    predictor = fit_predictor(asked.init_codes, pairs, network, prior, measurement)
    whitening = whitening_of(pairs.gradients) if asked.size.gradients else None
    return Setup(predictor, whitening, pairs.passes + (predictor.passes if predictor else 0))
