"""The metrics of a training run that gives every image a code."""

from typing import Any

import torch

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.figures.grids import STACKED, stacks_png
from preimage.jobs.base import Context
from preimage.jobs.train.figures import loss_png
from preimage.latents.store import Store
from preimage.latents.tally import Tally
from preimage.models.generator_folder import load_generator
from preimage.runs.run_folder import Curves


def describe_codes(
    context: Context, dataset: Dataset, curves: Curves, loss: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """How well the codes of the run's store reconstruct their images, and two figures.

    curves: the run's. loss: its name.
    """
    store = Store.open(context.run.product("store"))
    found = Tally.of(store)
    generator, _ = load_generator(context.run.product("generator"))
    images = to_float(dataset.read(0, min(STACKED, dataset.count)).pixels)
    with torch.no_grad():
        shown = stacks_png(images, generator(store.head(len(images)).z))
    metrics = {
        "images": store.count,
        "reconstruction_error": found.loss_mean,
        "reconstruction_error_median": found.loss_median,
    }
    return metrics, {"reconstructions.png": shown, "loss.png": loss_png(curves["loss"], loss)}
