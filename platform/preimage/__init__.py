"""Image generators and the latent codes of images: training, inversion, latent stores and priors.

import preimage

outcome = preimage.run("jobs/demo.yaml", profile="small")
store = preimage.Store.open(outcome.products["invert.store"])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from preimage._version import __version__

if TYPE_CHECKING:
    from preimage.api import plan, run
    from preimage.importing.save import save_generator
    from preimage.inversion import InversionConfig, MeasurementConfig, invert
    from preimage.latents.store import Store
    from preimage.models.generator_folder import load_generator, load_prior

__all__ = [
    "InversionConfig",
    "MeasurementConfig",
    "Store",
    "__version__",
    "invert",
    "load_generator",
    "load_prior",
    "plan",
    "run",
    "save_generator",
]

_FROM = {
    "plan": "preimage.api",
    "run": "preimage.api",
    "InversionConfig": "preimage.inversion",
    "MeasurementConfig": "preimage.inversion",
    "invert": "preimage.inversion",
    "Store": "preimage.latents.store",
    "load_generator": "preimage.models.generator_folder",
    "load_prior": "preimage.models.generator_folder",
    "save_generator": "preimage.importing.save",
}
"""Where each public name is: imported when it is first asked for, for torch alone takes a second."""


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'preimage' has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)
