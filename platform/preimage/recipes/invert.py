"""invert: find the code of every image of a dataset, into a latent store."""

import time
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import GeneratorError
from preimage.figures.grids import pairs_png
from preimage.figures.plots import convergence_png
from preimage.inversion.config import InversionConfig
from preimage.inversion.dataset import Done, Task, make_parts, part_rows
from preimage.latents.schema import About, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card, require_images
from preimage.recipes.config import JobConfig, Product
from preimage.recipes.context import Context, Result

PAIRS = 32
"""Images in the grid of reconstructions."""

HEADLINE = ("images", "reconstruction_error", "reconstruction_error_median", "image_steps_per_second")


class InvertConfig(JobConfig):
    """Find, for every image, a code that the generator maps to it."""

    NEEDS: ClassVar[dict[str, Product]] = {"generator": "generator"}
    GIVES: ClassVar[frozenset[Product]] = frozenset({"store"})

    job: Literal["invert"] = "invert"
    generator: str
    """An earlier step, a run's name or a generator folder."""
    data: DataConfig | None = None
    """The images; without it those that the generator was trained on."""
    inversion: InversionConfig = InversionConfig()


def cost(config: InvertConfig, images: int | None) -> dict[str, int]:
    """Generator evaluations at most: a step is one, forward and backward through the generator."""
    if images is None:
        return {"steps per image at most": config.inversion.steps}
    return {"images": images, "generator evaluations at most": images * config.inversion.steps}


def data_of(config: InvertConfig, card: GeneratorCard) -> DataConfig:
    """The images to invert. Raises GeneratorError where the generator makes none of their shape."""
    if not config.data and "data" not in card.training:
        raise GeneratorError(
            "this generator does not say what it was trained on: name the images with data.source"
        )
    data = config.data or DataConfig.model_validate(card.training["data"])
    require_images(card.generator, data.size, data.channels)
    return data


def run(config: InvertConfig, context: Context) -> Result:
    """Invert what is not in the store yet, and finish the store."""
    card = read_card(context.inputs["generator"])
    dataset = context.dataset(data_of(config, card))
    rows = part_rows(dataset.count, config.inversion.batch)
    parts = -(-dataset.count // rows)
    about = _about(config, context, card, dataset)
    writer = StoreWriter(context.run.store, about, parts, dataset.count)
    task = Task(
        generator=context.inputs["generator"],
        dataset=dataset.folder,
        writer=writer,
        config=config.inversion,
        seed=config.seed,
        rows=rows,
        cpus=config.resources.cpus,
    )
    missing = sorted(set(range(parts)) - writer.done())
    tally = _Tally(context, dataset.count, _rows_of(set(range(parts)) - set(missing), rows, dataset.count))
    for done in make_parts(task, missing, config.resources) if missing else ():
        tally.add(done)
    return _conclude(context, dataset, writer.finish(), tally.figures())


class _Tally:
    """Counts the images done, shows them, and records the speed over them."""

    def __init__(self, context: Context, count: int, before: int) -> None:
        self.context, self.count, self.images = context, count, before
        self.advance: Callable[[int, int], None] = context.show("inverting images")
        self.begin, self.steps = time.perf_counter(), 0
        self.advance(before, count)

    def add(self, done: Done) -> None:
        self.images += done["images"]
        self.steps += done["steps"]
        self.advance(self.images, self.count)
        self.context.run.record(self.images, {"seconds_per_part": done["seconds"], **self.figures()})

    def figures(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.begin
        return {"image_steps_per_second": self.steps / seconds} if self.steps else {}


def _about(config: InvertConfig, context: Context, card: GeneratorCard, dataset: Dataset) -> About:
    generator = GeneratorInfo(fingerprint=card.fingerprint, path=context.inputs["generator"].uri)
    images = DatasetInfo(fingerprint=dataset.fingerprint, path=dataset.folder.uri, count=dataset.count)
    return About(
        generator=generator,
        dataset=images,
        solver=config.inversion.model_dump(mode="json", exclude={"batch"}) | {"seed": config.seed},
        latent_dim=card.generator.latent_dim,
        prior=card.generator.prior,
    )


def _conclude(context: Context, dataset: Dataset, store: Store, speed: dict[str, float]) -> Result:
    losses, steps, converged = (
        torch.cat([getattr(codes, name) for codes in store.batches([name])])
        for name in ("loss", "steps", "converged")
    )
    context.run.figures.write("reconstructions.png", _pairs(context, dataset, store))
    context.run.figures.write("errors.png", convergence_png(losses.numpy()))
    metrics: dict[str, Any] = {
        "images": store.count,
        "reconstruction_error": losses.double().mean().item(),
        "reconstruction_error_median": losses.median().item(),
        "converged": converged.double().mean().item(),
        "steps_per_image": steps.double().mean().item(),
        "generator_evaluations": int(steps.sum(dtype=torch.int64)),
    }
    return Result(metrics | speed, ("reconstructions.png", "errors.png"))


@torch.no_grad()
def _pairs(context: Context, dataset: Dataset, store: Store) -> bytes:
    """The first images of the dataset, each above what its code gives."""
    images = dataset.read(0, min(PAIRS, dataset.count))
    codes = store.head(len(images.image_id))
    generator, _ = load_generator(context.inputs["generator"])
    return pairs_png(to_float(images.pixels), generator(codes.z))


def _rows_of(parts: set[int], rows: int, count: int) -> int:
    return sum(min(rows, count - part * rows) for part in parts)
