"""Invert images from Python: any generator, and all that can be wrong with what it is given."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from preimage import hardware
from preimage.config import Config
from preimage.errors import InversionError
from preimage.inversion.batch import Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert as search
from preimage.inversion.labels import classes_of
from preimage.inversion.loop import OnProgress
from preimage.inversion.losses import Loss
from preimage.inversion.measurements import MeasurementConfig
from preimage.inversion.operators import LinearOperator
from preimage.inversion.setup_cache import SetupCache
from preimage.inversion.solvers import Solver
from preimage.latents.priors import PRIORS, Normal, Prior, make_prior
from preimage.latents.schema import UNLABELLED, Codes
from preimage.library.display import SIGNED
from preimage.library.images import InvertedImages
from preimage.library.network import Network, inferred_dim, open_network, try_out
from preimage.library.pixels import as_tensor, range_of, require_range, require_shape
from preimage.pipelines.low_precision import warn
from preimage.pipelines.progress import showing
from preimage.random_streams import Stream
from preimage.specs.validation import check
from preimage.storage.folder import Folder

PROBES = 64
"""Draws of the prior that show the range of a generator's values."""


def invert(
    generator: nn.Module | str | Path | Folder,
    images: Tensor | np.ndarray,
    prior: str | Prior | None = None,
    labels: Tensor | np.ndarray | Sequence[int] | None = None,
    init_codes: Tensor | str | None = None,
    config: InversionConfig | None = None,
    *,
    latent_dim: int | None = None,
    ids: Tensor | np.ndarray | Sequence[int] | None = None,
    seed: int = 0,
    progress: bool | None = None,
    check_range: bool = True,
    results: str | None = None,
    code: str | Sequence[str] = (),
    loss: Loss | str | None = None,
    solver: Solver | str | None = None,
    measurement: LinearOperator | MeasurementConfig | Mapping[str, Any] | None = None,
    measured: bool | None = None,
    **settings: Any,
) -> InvertedImages:
    """Find the codes with which a generator reconstructs images.

    generator: a module from codes (n, d) to images (n, C, H, W), which is copied; or a generator folder; or a
    run, by its name, folder or MLflow run id. images: (N, C, H, W) floats in the generator's range; other
    floats than float32 are converted to it. prior: `normal`, `uniform`, or the distribution itself, such as a
    fitted one; by default the generator's own. labels: (N,) integers, -1 for none; a conditional generator
    needs them. init_codes: where searches start, (N, d) or (N, R, d); or a name, such as "prior". config: the
    search; or its settings as keywords, such as solver="adam", steps=100. loss, solver: a name, or your own:
    a function from images and targets (n, C, h, w) to losses (n,), or a `Solver`. measurement: what is seen
    of the images, by its settings, such as dict(mask="top"), or a linear operator of your own. The images may
    be measured already, (N, ...) as it returns them; measured: whether they are, needed only if an operator
    returns what has the images' shape. latent_dim: d, for a module that does not say it. ids: (N,) unique
    integers that determine each image's random draws; default: the row numbers. progress: whether to show a
    bar; by default on a terminal and in a notebook. check_range: whether to refuse images whose range is not
    the generator's. results: the root of the runs. code: modules whose code may build an imported generator.

    Computes on the generator's device, or on that of the images if the generator is on the CPU; the result is
    on the CPU. More is measured of the generator for more images, so an image's code may differ with their
    number. Gradients are enabled within, also under torch.no_grad or inference_mode. Raises InversionError,
    which is a ValueError, before any step.
    """
    with torch.inference_mode(False), torch.enable_grad():
        if isinstance(init_codes, str):
            settings, init_codes = settings | {"init_codes": init_codes}, None
        given = {"loss": loss, "solver": solver, "measurement": measurement}
        named = {name: each for name, each in given.items() if isinstance(each, str | Mapping | Config)}
        objects = {name: each for name, each in given.items() if each is not None and name not in named}
        if "measurement" in objects and not isinstance(measurement, LinearOperator):
            raise InversionError(
                "measurement is the settings of one, such as dict(mask='top'), or a linear operator: wrap a "
                f"function as LinearOperator(function), but got {type(measurement).__name__}"
            )
        config = _config(config, settings | named)
        network = open_network(generator, results, code)
        start = None if init_codes is None else torch.as_tensor(init_codes).to(torch.float32, copy=True)
        own = prior is None
        prior = _prior(network, prior, latent_dim, start)
        drawn = prior.sample(PROBES, Stream.RANGE.generator(seed))
        made = try_out(network, drawn, tuple(getattr(images, "shape", ()))[1:])
        in_part = "measurement" in objects or config.measurement != MeasurementConfig()
        pixels = _checked(images, made, in_part, check_range)
        numbers, classes = (
            _integers(each, name, len(pixels)) for each, name in ((ids, "ids"), (labels, "labels"))
        )
        numbers = torch.arange(len(pixels)) if numbers is None else numbers
        if len(numbers.unique()) < len(numbers):
            raise InversionError("ids must be unique: each names one image")
        device = network.device if network.device.type != "cpu" else pixels.device
        if device.type == "cpu":
            warn({"precision": config.precision}, hardware.used(hardware.machine(), 1, gpu=False))
        setups = None
        if own and network.folder and network.card:
            setups = SetupCache.beside(network.folder, network.card)
        with _progress(progress) as on_progress:
            found = search(
                network.module,
                pixels.to(device),
                None if start is None else start.to(device),
                config,
                prior=prior,
                ids=numbers,
                labels=classes if classes_of(network.module) else None,
                **objects,
                seed=seed,
                on_progress=on_progress,
                measured=measured,
                setups=setups,
            )
        return InvertedImages(
            images=pixels.cpu(),
            codes=_codes(numbers, classes, found),
            network=network,
            prior=prior,
            config=config,
            seed=seed,
            init_codes=None if start is None else start.cpu(),
            value_range=range_of(made) or SIGNED,
            objects={name: _name_of(each) for name, each in objects.items()},
        )


def _checked(images: Any, made: Tensor, in_part: bool, check_range: bool) -> Tensor:
    """Images (N, C, H, W) float32, a copy; or, if they are seen in part, what is seen of them. Raises
    InversionError if they do not fit what was `made`."""
    pixels = as_tensor(images, range_of(made))
    if not len(pixels):
        raise InversionError("there are no images to invert")
    if not in_part:  # else hidden pixels may be anything
        require_shape(images, tuple(made.shape[1:]))
        if check_range:
            require_range(pixels, made)
    return pixels


def _config(config: InversionConfig | None, settings: dict[str, Any]) -> InversionConfig:
    if config is not None and settings:
        raise InversionError(f"give either config or the settings {', '.join(settings)}")
    if config is not None:
        return config
    made, mistakes = check(InversionConfig, settings)
    if not isinstance(made, InversionConfig):
        wrong = ("".join([*(f"{each}: " for each in place), problem]) for place, problem in mistakes)
        raise InversionError("; ".join(wrong))
    return made


def _prior(
    network: Network, prior: str | Prior | None, latent_dim: int | None, start: Tensor | None
) -> Prior:
    """The prior to search with. Raises InversionError if it is not named, or of another dimension."""
    own = network.prior if prior is None else prior
    dim = latent_dim or network.latent_dim or (None if start is None else start.shape[-1])
    if own is None and start is None:
        raise InversionError(
            "which prior the codes have is unknown: pass prior='normal' for N(0, I), prior='uniform' for "
            "[-1, 1]^d, or a prior itself"
        )
    if isinstance(own, str) and own not in PRIORS:
        raise InversionError(f"prior is one of {', '.join(PRIORS)}, or a prior itself, but got {own!r}")
    if own is None or isinstance(own, str):
        dim = dim or inferred_dim(network)
        return Normal(dim) if own is None else make_prior(own, dim)
    if dim and own.latent_dim != dim:
        raise InversionError(
            f"the prior has {own.latent_dim} components, but the generator's codes have {dim}"
        )
    return own


def _name_of(given: Any) -> str:
    """The name of a user's function, such as that of an operator, or of an object's class."""
    given = given.forward if isinstance(given, LinearOperator) else given
    kind = given if hasattr(given, "__qualname__") else type(given)
    return f"{kind.__module__}.{kind.__qualname__}"


def _integers(given: Any, name: str, count: int) -> Tensor | None:
    """A column of integers (N,) int64. Raises InversionError for anything else."""
    if given is None:
        return None
    numbers = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if numbers.dtype.kind not in "iuf":
        raise InversionError(f"{name} must be {count} integers, one for each image, but are not numbers")
    column = torch.from_numpy(numbers.copy())
    if column.is_floating_point() or tuple(column.shape) != (count,):
        raise InversionError(
            f"{name} must be {count} integers, one for each image, but got {tuple(column.shape)} of "
            f"{str(column.dtype).removeprefix('torch.')}"
        )
    return column.to(torch.int64)


def _codes(ids: Tensor, labels: Tensor | None, found: Inversion) -> Codes:
    """What a store keeps. A diverged image has no loss, and the best code of its search."""
    return Codes(
        image_id=ids,
        label=torch.full_like(ids, UNLABELLED).int() if labels is None else labels.int(),
        z=found.z,
        loss=torch.where(found.diverged | ~found.loss.isfinite(), torch.nan, found.loss),
        steps=found.steps,
        restart=found.restart,
        converged=found.converged,
    )


@contextmanager
def _progress(asked: bool | None) -> Iterator[OnProgress | None]:
    console = Console(stderr=True)
    if asked is False or (asked is None and not (console.is_terminal or console.is_jupyter)):
        yield None
        return
    with showing(console) as display:
        yield display.task("inverting images")
