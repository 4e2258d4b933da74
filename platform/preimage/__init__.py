"""Image generators and the latent codes of images: training, inversion, latent stores and priors.

import preimage as pi

found = pi.invert(generator, images, prior="normal")  # a torch.nn.Module, a folder or a run
outcome = pi.run("demo", {"train.model.latent_dim": 50}, profile="small")
store = pi.open(outcome.run).store
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from preimage._version import __version__

if TYPE_CHECKING:
    from preimage import jobs
    from preimage.api import plan, run
    from preimage.data.pixels import to_float, to_uint8
    from preimage.errors import PreimageError
    from preimage.importing.save import save_generator
    from preimage.inversion.config import InversionConfig
    from preimage.inversion.measurements import MeasurementConfig
    from preimage.inversion.operators import LinearOperator
    from preimage.latents.store import Store
    from preimage.library.export import export_generator
    from preimage.library.export_store import export_store
    from preimage.library.images import InvertedImages
    from preimage.library.invert import invert
    from preimage.library.list_runs import list_runs
    from preimage.library.load_images import LoadedImages, load_images
    from preimage.library.opened import Run, load_generator, open
    from preimage.library.picture import picture
    from preimage.library.report import report
    from preimage.library.stores import import_store
    from preimage.library.submit import Handle, submit
    from preimage.models.generator_folder import load_prior

__all__ = [
    "Handle",
    "InversionConfig",
    "InvertedImages",
    "LinearOperator",
    "LoadedImages",
    "MeasurementConfig",
    "PreimageError",
    "Run",
    "Store",
    "__version__",
    "export_generator",
    "export_store",
    "import_store",
    "invert",
    "jobs",
    "list_runs",
    "load_generator",
    "load_images",
    "load_prior",
    "open",
    "picture",
    "plan",
    "report",
    "run",
    "save_generator",
    "submit",
    "to_float",
    "to_uint8",
]

_FROM = {
    "Handle": "preimage.library.submit",
    "InversionConfig": "preimage.inversion.config",
    "InvertedImages": "preimage.library.images",
    "LinearOperator": "preimage.inversion.operators",
    "LoadedImages": "preimage.library.load_images",
    "MeasurementConfig": "preimage.inversion.measurements",
    "PreimageError": "preimage.errors",
    "Run": "preimage.library.opened",
    "Store": "preimage.latents.store",
    "export_generator": "preimage.library.export",
    "export_store": "preimage.library.export_store",
    "import_store": "preimage.library.stores",
    "invert": "preimage.library.invert",
    "list_runs": "preimage.library.list_runs",
    "load_generator": "preimage.library.opened",
    "load_images": "preimage.library.load_images",
    "load_prior": "preimage.models.generator_folder",
    "open": "preimage.library.opened",
    "picture": "preimage.library.picture",
    "plan": "preimage.api",
    "report": "preimage.library.report",
    "run": "preimage.api",
    "save_generator": "preimage.importing.save",
    "submit": "preimage.library.submit",
    "to_float": "preimage.data.pixels",
    "to_uint8": "preimage.data.pixels",
}
"""Where each public name is: imported when it is first asked for, for torch alone takes a second."""


def __getattr__(name: str) -> Any:
    if name == "jobs":
        return import_module("preimage.jobs")
    if name not in _FROM:
        raise AttributeError(f"module 'preimage' has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    return __all__
