"""Generator inversion: find the codes of images. `invert` is the engine; `dataset` runs it over many."""

from preimage.inversion.batch import Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.local_rank import jacobian_eigenvalues
from preimage.inversion.losses import Loss
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.inversion.operators import LinearOperator
from preimage.inversion.solvers import Solver

__all__ = [
    "Engine",
    "Inversion",
    "InversionConfig",
    "LinearOperator",
    "Loss",
    "Measurement",
    "MeasurementConfig",
    "Solver",
    "invert",
    "jacobian_eigenvalues",
    "make_measurement",
]
