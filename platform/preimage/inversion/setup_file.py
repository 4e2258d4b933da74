"""A setup as the content of a safetensors file."""

from math import prod

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from preimage.inversion.cascade import CORRECTIONS, MOST_WEIGHTED, Affine, Cascade
from preimage.inversion.init_codes import Predictor, Regression
from preimage.inversion.links import link_of
from preimage.inversion.measurements import Measurement
from preimage.inversion.setup import Asked, Setup
from preimage.latents.priors import Prior
from preimage.models.weights import MISFIT, packed

FORMAT = 1
"""Raised when what is asked for is measured, or written, in another way."""


def setup_bytes(asked: Asked, prior: Prior, measurement: Measurement) -> int:
    """Of its numbers, about the size of its file."""
    return 4 * sum(map(prod, _shapes(asked, prior.latent_dim, prod(measurement.reduced)).values()))


def packed_setup(setup: Setup) -> bytes:
    found = {"passes": torch.tensor(setup.passes)}
    if setup.whitening is not None:
        found["whitening"] = setup.whitening
    predictor = setup.predictor
    if isinstance(predictor, Cascade) and predictor.weight is not None:
        found["weight"] = predictor.weight
    stages = predictor.stages if isinstance(predictor, Cascade) else [predictor.fit] if predictor else []
    for i, stage in enumerate(stages):
        found |= {f"{i}.offset": stage.offset, f"{i}.gain": stage.gain, f"{i}.centre": stage.centre}
    return packed(found)


def read_setup(
    data: bytes,
    asked: Asked,
    network: nn.Module,
    prior: Prior,
    measurement: Measurement,
    device: torch.device,
) -> Setup | None:
    """What `packed_setup` wrote; None if it is something else."""
    try:
        found = load(data)
    except (SafetensorError, *MISFIT):
        return None
    shapes = {name: tuple(each.shape) for name, each in found.items()}
    if shapes != _shapes(asked, prior.latent_dim, prod(measurement.reduced)):
        return None
    if any(
        each.dtype != (torch.int64 if name == "passes" else torch.float32) for name, each in found.items()
    ):
        return None
    if not all(each.isfinite().all() for each in found.values()):
        return None
    passes = int(found.pop("passes"))
    found = {name: each.to(device, copy=True) for name, each in found.items()}  # aligned, as when measured
    stages = [
        Affine(*(found[f"{i}.{name}"] for name in ("offset", "gain", "centre")))
        for i in range(_stages(asked))
    ]
    predictor: Predictor | None = None
    if asked.init_codes == "cascade":
        link, box = link_of(network, measurement), prior.support == "box"
        predictor = Cascade(network, measurement, link, stages, found.get("weight"), box, asked.size.pairs)
    elif stages:
        predictor = Regression(stages[0])
    return Setup(predictor, found.get("whitening"), passes)


def _stages(asked: Asked) -> int:
    return 0 if asked.init_codes is None else 1 + CORRECTIONS if asked.init_codes == "cascade" else 1


def _shapes(asked: Asked, dim: int, values: int) -> dict[str, tuple[int, ...]]:
    """Of a file's tensors, for codes of dim components and images of so many observed values."""
    found: dict[str, tuple[int, ...]] = {"passes": ()}
    if asked.size.gradients:
        found["whitening"] = (dim, dim)
    if asked.init_codes == "cascade" and values <= MOST_WEIGHTED:
        found["weight"] = (values, values)
    for i in range(_stages(asked)):
        found |= {f"{i}.offset": (values,), f"{i}.gain": (values, dim), f"{i}.centre": (dim,)}
    return found
