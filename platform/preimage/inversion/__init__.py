"""Generator inversion: find the codes of images. `invert` is the engine; `dataset` runs it over many."""

from preimage.inversion.batch import Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement

__all__ = [
    "Engine",
    "Inversion",
    "InversionConfig",
    "Measurement",
    "MeasurementConfig",
    "invert",
    "make_measurement",
]
