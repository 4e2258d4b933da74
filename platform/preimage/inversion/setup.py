"""What is measured of a generator before the first search, for any number of images."""

import logging
from dataclasses import dataclass

from torch import Tensor, nn

from preimage.inversion.config import InversionConfig
from preimage.inversion.init_codes import PROBES, Predictor, fit_predictor, measure_whitening
from preimage.inversion.jacobian import Jacobian, NoJacobianError
from preimage.inversion.measurements import Measurement
from preimage.latents.priors import Prior

log = logging.getLogger(__name__)

WITHOUT_WHITENING = "%s: it is inverted without whitening, which takes more steps."


@dataclass(frozen=True)
class Setup:
    """What starts the searches, and the coordinates they take place in."""

    predictor: Predictor | None = None
    """What predicts the starts; None where they are drawn or given."""
    whitening: Tensor | None = None
    """(d, d), see `measure_whitening`."""
    unwhitened: str | None = None
    """Why `whiten` was not followed; None if it was, or was not asked for."""
    passes: int = 0
    """Generator evaluations that it took."""


def measure_setup(
    network: nn.Module,
    config: InversionConfig,
    prior: Prior,
    measurement: Measurement,
    seed: int,
    origin: Tensor,
    *,
    start: bool,
    whiten: bool,
) -> Setup:
    """origin: (1, d), a code to try derivatives at. start: whether starts are to be predicted, if the config
    says so. Raises InversionError if the generator makes images that are not finite."""
    device, predictor = origin.device, None
    if start:
        predictor = fit_predictor(config.init_codes, network, prior, seed, device, measurement)
    passes = predictor.passes if predictor else 0
    if not whiten:
        return Setup(predictor, passes=passes)
    try:
        jacobian = Jacobian.of(network, origin)
    except NoJacobianError as error:
        log.warning(WITHOUT_WHITENING, error)
        return Setup(predictor, unwhitened=str(error), passes=passes)
    whitening = measure_whitening(jacobian, prior, seed, device)
    return Setup(predictor, whitening, None, passes + PROBES * jacobian.passes(prior.latent_dim))
