"""Generator inversion: given images, which codes? `invert` is the engine, `dataset` drives it over many."""

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Inversion, invert

__all__ = ["Inversion", "InversionConfig", "invert"]
