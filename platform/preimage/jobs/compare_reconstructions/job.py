"""compare-reconstructions: how well methods with a generator and codes reconstruct images (glo, 3.3.1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field, field_validator
from torch import Tensor, nn

from preimage.config import Config
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import GeneratorError, StoreError
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compare_reconstructions.figures import errors_png, explained_png, image_lines_png
from preimage.jobs.compare_reconstructions.report import (
    METRICS,
    PAIR,
    CompareReconstructionsReport,
    MethodRow,
)
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.jobs.row_names import require_plain
from preimage.jobs.sampling import make_images
from preimage.latents.statistics import store_moments
from preimage.latents.store import Store
from preimage.metrics.reconstruction import first_in_step, reconstruction
from preimage.metrics.spectrum import explained_by_directions
from preimage.models.generator_folder import GeneratorCard, load_generator, require_images

SHOWN = 10
"""How many images the figures show: the dataset's first, which are a fair sample."""


class Method(Config):
    """Where a method's generator is, and the codes that it reconstructs the images from."""

    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    store: StoreRef
    """An earlier step, a run's name or a latent store's folder."""


def _both(given: object) -> object:
    """A single name means a run that leaves both."""
    return {"generator": given, "store": given} if isinstance(given, str) else given


OneOrBoth = Annotated[Method, BeforeValidator(_both, json_schema_input_type=str | Method)]


class CompareReconstructionsJob(Job):
    """Compare methods by how well they reconstruct a dataset's images (glo, table 1, figures 1 and 2)."""

    job: Literal["compare-reconstructions"] = "compare-reconstructions"
    methods: Annotated[dict[str, OneOrBoth], Field(min_length=1)]
    """The methods, by their names in the table: each the step, run or folder that leaves both a generator and
    a store, or one for each. `PCA`, `DCAE`, `GAN`, `GLO (L2)` and `GLO (Lap1)` are the paper's."""
    dimensions: tuple[OneOrBoth, ...] = ()
    """Methods of different latent dimensions, to draw their reconstructions side by side (glo, figure 1)."""
    data: DataConfig | None = None
    """The images; without it those that the first method's generator was trained on."""

    @field_validator("methods")
    @classmethod
    def _names_are_plain(cls, methods: dict[str, Method]) -> dict[str, Method]:
        require_plain(methods, "a method")
        return methods

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def metrics(self) -> Metrics:
        """`ordering` lists the methods from the lowest squared error up; the `table` has each one's own."""
        pair = ("glo_beats_pca",) if self.methods.keys() >= PAIR else ()
        table = [f"table.{name}.{each}" for name in self.methods for each in METRICS]
        return (*headline("ordering", is_text=True), *headline(*pair), *others("images", *table))

    def cost(self, images: int | None) -> dict[str, int]:
        return {} if images is None else {"images made": images * len(self.methods)}

    def run(self, context: Context) -> Result:
        """Check that everything belongs together, stream the images once for each method, and draw.

        Raises GeneratorError or StoreError, with the method's name, if a store belongs to another generator,
        if stores are of different images, or if codes and images are out of step.
        """
        methods = [_open(name, f"methods.{name}", context) for name in self.methods]
        sizes = [
            _open(f"dimensions, {each.generator}", f"dimensions.{i}", context)
            for i, each in enumerate(self.dimensions)
        ]
        dataset = self._dataset([*methods, *sizes], context)
        pictures = _reconstructions(methods, sizes, dataset)
        rows = {each.name: _measure(each, dataset, context) for each in methods}
        report = CompareReconstructionsReport(rows, dataset)
        pictures["errors.png"] = errors_png(report.errors("mse"), report.errors("lap1"), report.paper)
        pictures["directions.png"] = explained_png({name: row.explained for name, row in rows.items()})
        return Result(report.metrics(), pictures, report.table())

    def _dataset(self, opened: list["_OpenedMethod"], context: Context) -> Dataset:
        """The images that all codes stand for. Raises GeneratorError or StoreError if they differ."""
        with _naming(opened[0].name):
            data = images_for(opened[0].card, self.data)
        for each in opened[1:]:
            with _naming(each.name):
                require_images(each.card.generator, data.shape)
        dataset = context.dataset(data)
        for each in opened:
            with _naming(each.name):
                require_images_of(dataset, each.store)
        return dataset


@dataclass(frozen=True)
class _OpenedMethod:
    """A method's generator, in eval mode on its device, and the store of its codes."""

    name: str
    generator: nn.Module
    card: GeneratorCard
    store: Store
    device: torch.device


def _open(name: str, key: str, context: Context) -> _OpenedMethod:
    generator, card = load_generator(context.inputs[f"{key}.generator"])
    store = Store.open(context.inputs[f"{key}.store"])
    with _naming(name):
        require_codes_of(card, store)
    device = context.resources.device()
    return _OpenedMethod(name, generator.to(device), card, store, device)


def _reconstructions(
    methods: list[_OpenedMethod], sizes: list[_OpenedMethod], dataset: Dataset
) -> dict[str, bytes]:
    """The first images above each method's reconstructions, and above those of each latent dimension."""
    count = min(SHOWN, dataset.count, *(each.store.count for each in [*methods, *sizes]))
    originals = ("originals", to_float(dataset.read(0, count).pixels))
    lines = [(each.name, _shown(each, dataset, count)) for each in methods]
    pictures = {"reconstructions.png": image_lines_png([originals, *lines])}
    if sizes:
        ordered = sorted(sizes, key=lambda each: each.store.latent_dim)
        lines = [(f"d = {each.store.latent_dim}", _shown(each, dataset, count)) for each in ordered]
        pictures["dimensions.png"] = image_lines_png([originals, *lines])
    return pictures


def _shown(each: _OpenedMethod, dataset: Dataset, count: int) -> Tensor:
    """Reconstructions (n, C, H, W) of the first images; a pixel that is not a number is grey."""
    with _naming(each.name):
        codes, _ = first_in_step(each.store, dataset, count)
    return make_images(each.generator, codes.z.to(each.device)).nan_to_num()


def _measure(each: _OpenedMethod, dataset: Dataset, context: Context) -> MethodRow:
    on_progress = context.progress(f"measuring {each.name}")
    with _naming(each.name):
        found = reconstruction(each.generator, each.store, dataset, each.device, on_progress)
        return MethodRow(each.store.latent_dim, found, explained_by_directions(store_moments(each.store)))


@contextmanager
def _naming(method: str) -> Iterator[None]:
    """Put the method's name before an error about its generator or store."""
    try:
        yield
    except (GeneratorError, StoreError) as error:
        raise type(error)(f"{method}: {error}") from error
