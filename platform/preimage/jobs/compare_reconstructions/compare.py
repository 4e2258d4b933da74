"""Compare methods on one dataset: check that everything belongs together, reconstruct, measure and draw."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import GeneratorError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.compare_reconstructions.figures import image_lines_png
from preimage.jobs.compare_reconstructions.report import CompareReconstructionsReport, MethodRow
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.sampling import make_images
from preimage.latents.statistics import store_moments
from preimage.latents.store import Store
from preimage.metrics.reconstruction import first_in_step, reconstruction
from preimage.metrics.spectrum import explained_by_directions
from preimage.models.cards import GeneratorCard, require_images
from preimage.models.generator_folder import load_generator

SHOWN = 10
"""How many images the figures show: the dataset's first, which are a fair sample."""


@dataclass(frozen=True)
class OpenedMethod:
    """A method's generator, in eval mode on its device, and the store of its codes."""

    name: str
    generator: nn.Module
    card: GeneratorCard
    store: Store
    device: torch.device


def open_method(name: str, key: str, context: Context) -> OpenedMethod:
    """The method that a spec names under a dotted key. Raises StoreError, with the method's name, for codes
    of another generator."""
    generator, card = load_generator(context.inputs[f"{key}.generator"])
    store = Store.open(context.inputs[f"{key}.store"])
    with naming(name):
        require_codes_of(card, store)
    device = context.resources.device()
    return OpenedMethod(name, generator.to(device), card, store, device)


def shared_dataset(opened: Sequence[OpenedMethod], given: DataConfig | None, context: Context) -> Dataset:
    """The images that all codes stand for. Raises GeneratorError or StoreError if they differ."""
    with naming(opened[0].name):
        data = images_for(opened[0].card, given)
    for each in opened[1:]:
        with naming(each.name):
            require_images(each.card.generator, data.shape)
    dataset = context.dataset(data)
    for each in opened:
        with naming(each.name):
            require_images_of(dataset, each.store)
    return dataset


def compare(
    methods: Sequence[OpenedMethod], dataset: Dataset, context: Context
) -> CompareReconstructionsReport:
    """Stream the images once for each method. Raises StoreError if codes and images are out of step."""
    rows = {each.name: _measure(each, dataset, context) for each in methods}
    return CompareReconstructionsReport(rows, dataset)


def reconstructions_png(methods: Sequence[OpenedMethod], names: Sequence[str], dataset: Dataset) -> bytes:
    """The first images, above each method's reconstructions. names: what each method's line is called."""
    count = min(SHOWN, dataset.count, *(each.store.count for each in methods))
    lines = [_shown(each, dataset, count) for each in methods]
    originals = to_float(dataset.read(0, count).pixels)
    return image_lines_png([("originals", originals), *zip(names, lines, strict=True)])


def _shown(each: OpenedMethod, dataset: Dataset, count: int) -> Tensor:
    """Reconstructions (n, C, H, W) of the first images; a pixel that is not a number is grey."""
    with naming(each.name):
        codes, _ = first_in_step(each.store, dataset, count)
    return make_images(each.generator, codes.z.to(each.device)).nan_to_num()


def _measure(each: OpenedMethod, dataset: Dataset, context: Context) -> MethodRow:
    on_progress = context.progress(f"measuring {each.name}")
    with naming(each.name):
        found = reconstruction(each.generator, each.store, dataset, each.device, on_progress)
        return MethodRow(each.store.latent_dim, found, explained_by_directions(store_moments(each.store)))


@contextmanager
def naming(method: str) -> Iterator[None]:
    """Put the method's name before an error about its generator or store."""
    try:
        yield
    except (GeneratorError, StoreError) as error:
        raise type(error)(f"{method}: {error}") from error
