"""What is said of a training that gave every image a code."""

from typing import Any

import torch

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.figures.grids import stacks_png
from preimage.figures.plots import loss_png
from preimage.jobs.context import Context
from preimage.latents.store import Store
from preimage.models.generator_folder import load_generator

FIGURES = ("reconstructions.png", "loss.png")
SHOWN = 32
"""Images in the grid of reconstructions."""


def describe_codes(context: Context, dataset: Dataset, loss: str) -> dict[str, Any]:
    """How well the codes of the run's store give their images back. Draws FIGURES; `loss`: its name."""
    store = Store.open(context.run.store)
    losses = torch.cat([codes.loss for codes in store.batches(["loss"])])
    generator, _ = load_generator(context.run.generator)
    images = to_float(dataset.read(0, min(SHOWN, dataset.count)).pixels)
    with torch.no_grad():
        shown = stacks_png(images, generator(store.head(len(images)).z))
    context.run.figures.write("reconstructions.png", shown)
    context.run.figures.write("loss.png", loss_png(context.run.curve("loss"), loss))
    return {
        "images": store.count,
        "reconstruction_error": losses.double().mean().item(),
        "reconstruction_error_median": losses.median().item(),
    }
