"""compression: how well methods that have a generator and codes give their images back (glo, 3.3.1)."""

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
from preimage.jobs.compare_reconstructions.figures import errors_png, explained_png, image_lines_png
from preimage.jobs.compare_reconstructions.report import Report, Row
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.row_names import require_plain
from preimage.jobs.sampling import make_images, this_device
from preimage.latents.statistics import store_moments
from preimage.latents.store import Store
from preimage.metrics.reconstruction import first_in_step, reconstruction
from preimage.metrics.spectrum import explained_by_directions
from preimage.models.generator_folder import GeneratorCard, load_generator, require_images
from preimage.work.reproducible import prepare_process

HEADLINE = ("ordering", "glo_beats_pca")

SHOWN = 10
"""Images in the figures: the dataset's first, which are a fair sample."""


class Method(Config):
    """Where a method's generator is, and the codes that it gives the images back from."""

    generator: str
    """An earlier step, a run's name or a generator folder."""
    store: str
    """An earlier step, a run's name or a latent store's folder."""


def _both(given: object) -> object:
    """A name alone is that of a run that leaves both."""
    return {"generator": given, "store": given} if isinstance(given, str) else given


OneOrBoth = Annotated[Method, BeforeValidator(_both, json_schema_input_type=str | Method)]


class CompressionConfig(JobConfig):
    """Compare methods by how well they give a dataset's images back (glo, table 1, figures 1 and 2)."""

    job: Literal["compare-reconstructions"] = "compare-reconstructions"
    methods: Annotated[dict[str, OneOrBoth], Field(min_length=1)]
    """Names as they are to stand in the table, each with the step, run or folder that leaves both a generator
    and a store, or with one for each. `PCA`, `DCAE`, `GAN`, `GLO (L2)` and `GLO (Lap1)` are the paper's."""
    dimensions: tuple[OneOrBoth, ...] = ()
    """Those whose reconstructions are shown side by side, of different latent dimensions (glo, figure 1)."""
    data: DataConfig | None = None
    """The images; without it those that the first method's generator was trained on."""

    @field_validator("methods")
    @classmethod
    def _names_are_plain(cls, methods: dict[str, Method]) -> dict[str, Method]:
        require_plain(methods, "a method")
        return methods

    def needs(self) -> dict[str, tuple[str, Product]]:
        asked = {f"methods.{name}": each for name, each in self.methods.items()}
        asked |= {f"dimensions.{i}": each for i, each in enumerate(self.dimensions)}
        products: tuple[Product, ...] = ("generator", "store")
        return {
            f"{key}.{product}": (getattr(each, product), product)
            for key, each in asked.items()
            for product in products
        }


def cost(config: CompressionConfig, images: int | None) -> dict[str, int]:
    return {} if images is None else {"images made": images * len(config.methods)}


def run(config: CompressionConfig, context: Context) -> Result:
    """Check that all belong together, stream the images once for each method, and draw what was found.

    Raises GeneratorError or StoreError that names the method where a store is another generator's, stores
    are of different images, or codes and images are out of step.
    """
    prepare_process(context.resources.cpus_per_worker)
    methods = [_open(name, f"methods.{name}", context) for name in config.methods]
    sizes = [
        _open(f"dimensions, {each.generator}", f"dimensions.{i}", context)
        for i, each in enumerate(config.dimensions)
    ]
    dataset = _dataset(config, [*methods, *sizes], context)
    pictures = _reconstructions(methods, sizes, dataset)
    report = Report({each.name: _measure(each, dataset, context) for each in methods}, dataset)
    pictures["errors.png"] = errors_png(report.errors("mse"), report.errors("lap1"), report.paper)
    pictures["directions.png"] = explained_png({name: row.explained for name, row in report.rows.items()})
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    return Result(report.metrics(), ("table.md", *pictures))


@dataclass(frozen=True)
class _Opened:
    """A generator in eval mode on its device, and a store of its codes."""

    name: str
    generator: nn.Module
    card: GeneratorCard
    store: Store
    device: torch.device


def _open(name: str, key: str, context: Context) -> _Opened:
    generator, card = load_generator(context.inputs[f"{key}.generator"])
    store = Store.open(context.inputs[f"{key}.store"])
    with _naming(name):
        require_codes_of(card, store)
    device = torch.device("cpu") if context.resources.gpu is False else this_device()
    return _Opened(name, generator.to(device), card, store, device)


def _dataset(config: CompressionConfig, opened: list[_Opened], context: Context) -> Dataset:
    """The images that all codes stand for. Raises GeneratorError or StoreError where they differ."""
    with _naming(opened[0].name):
        data = images_for(opened[0].card, config.data)
    for each in opened[1:]:
        with _naming(each.name):
            require_images(each.card.generator, data.size, data.channels)
    dataset = context.dataset(data)
    for each in opened:
        with _naming(each.name):
            require_images_of(dataset, each.store)
    return dataset


def _reconstructions(methods: list[_Opened], sizes: list[_Opened], dataset: Dataset) -> dict[str, bytes]:
    """The first images, and below them what each method makes of them; so for each latent dimension."""
    count = min(SHOWN, dataset.count, *(each.store.count for each in [*methods, *sizes]))
    originals = ("originals", to_float(dataset.read(0, count).pixels))
    lines = [(each.name, _shown(each, dataset, count)) for each in methods]
    pictures = {"reconstructions.png": image_lines_png([originals, *lines])}
    if sizes:
        ordered = sorted(sizes, key=lambda each: each.store.latent_dim)
        lines = [(f"d = {each.store.latent_dim}", _shown(each, dataset, count)) for each in ordered]
        pictures["dimensions.png"] = image_lines_png([originals, *lines])
    return pictures


def _shown(each: _Opened, dataset: Dataset, count: int) -> Tensor:
    """The first images (n, C, H, W) as given back; a pixel that is not a number is grey."""
    with _naming(each.name):
        codes, _ = first_in_step(each.store, dataset, count)
    return make_images(each.generator, codes.z.to(each.device)).nan_to_num()


def _measure(each: _Opened, dataset: Dataset, context: Context) -> Row:
    advance = context.show(f"measuring {each.name}")
    with _naming(each.name):
        found = reconstruction(each.generator, each.store, dataset, each.device, advance)
        return Row(each.store.latent_dim, found, explained_by_directions(store_moments(each.store)))


@contextmanager
def _naming(method: str) -> Iterator[None]:
    """Say of which method it is what is wrong with its generator or store."""
    try:
        yield
    except (GeneratorError, StoreError) as error:
        raise type(error)(f"{method}: {error}") from error
