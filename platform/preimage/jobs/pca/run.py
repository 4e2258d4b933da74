"""pca: how it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import prod

import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.figures.grids import STACKED, stacks_png
from preimage.float32 import float32_products
from preimage.inversion.dataset import dataset_info, part_rows
from preimage.jobs.base import Context, Result
from preimage.jobs.pca.figures import components_png, explained_png
from preimage.jobs.pca.job import PcaJob
from preimage.latents.priors import Gaussian
from preimage.latents.schema import About, Codes, GeneratorInfo, concatenate
from preimage.latents.store import Store, StoreWriter
from preimage.latents.tally import Tally
from preimage.models.cards import CONFIG, GeneratorCard
from preimage.models.config import LinearConfig
from preimage.models.generator_folder import load_generator, load_prior, write_generator
from preimage.models.linear import LinearGenerator
from preimage.models.pca import Components, principal_components
from preimage.models.pca_size import require_possible

ROWS, VALUES = 1024, 1 << 24
"""Images in memory at a time; fewer where their pixels would be more than VALUES."""
SHOWN = 32
"""Images in the grid of components."""


def run(job: PcaJob, context: Context) -> Result:
    """Find the components, then the codes. A killed run resumes: it keeps a finished generator and the
    parts of the store that are there."""
    device = context.resources.device()
    stream = ImageStream(context.dataset(job.data), device)
    if not context.run.product("generator").exists(CONFIG):
        _make_generator(job, context, stream)
    generator, card = load_generator(context.run.product("generator"))
    assert isinstance(generator, LinearGenerator)
    store = _store(context, card, stream, generator.to(device))
    return _conclude(context, card, stream, generator.cpu(), store)


@dataclass(frozen=True)
class ImageStream:
    """A dataset, read a few images at a time."""

    dataset: Dataset
    device: torch.device

    def __call__(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """From row to row: the ids and labels (n,) on the CPU, the images (n, C, H, W) on the device."""
        stop = self.dataset.count if stop is None else stop
        rows = max(1, min(ROWS, VALUES // (prod(self.dataset.shape))))
        for first in range(start, stop, rows):
            found = self.dataset.read(first, min(first + rows, stop))
            yield found.image_id, found.labels, to_float(found.pixels.to(self.device))


def _make_generator(job: PcaJob, context: Context, stream: ImageStream) -> None:
    """Find the components and write the generator folder."""
    dataset, passes = stream.dataset, count(1)
    require_possible(job.latent_dim, dataset.count, prod(dataset.shape))

    def batches() -> Iterator[Tensor]:
        advance, done = context.progress(f"finding components, pass {next(passes)}"), 0
        for ids, _, images in stream():
            yield images
            done += len(ids)
            advance(done, dataset.count)

    found = principal_components(batches, job.latent_dim, seed=job.seed)
    history = {
        **context.provenance(job),
        "passes": found.passes,
        "total_variance": found.total,
        "data": job.data.model_dump(mode="json"),
        "dataset": dataset.fingerprint,
    }
    write_generator(
        _decoder(job.made_generator, found), context.run.product("generator"), history, _prior(found)
    )


def _decoder(config: LinearConfig, found: Components) -> LinearGenerator:
    generator = LinearGenerator(config)
    generator.load_state_dict({"mean": found.mean, "components": found.components})
    return generator


def _prior(found: Components) -> Gaussian:
    """The prior of the codes, which are centred and not correlated."""
    return Gaussian(torch.zeros(len(found.variances)), found.variances.sqrt().diag().float())


def _store(context: Context, card: GeneratorCard, stream: ImageStream, generator: LinearGenerator) -> Store:
    """The codes of all images. Writes those that are missing."""
    dataset = stream.dataset
    rows = part_rows(dataset.count, ROWS)
    about = About(
        generator=GeneratorInfo(fingerprint=card.fingerprint, path=context.run.product("generator").uri),
        dataset=dataset_info(dataset),
        solver={"solver": "projection"},
        latent_dim=card.generator.latent_dim,
        prior=card.generator.prior,
    )
    parts = -(-dataset.count // rows)
    writer = StoreWriter(context.run.product("store"), about, parts, dataset.count)
    advance = context.progress("writing codes")
    for part in sorted(set(range(parts)) - writer.done()):
        stop = min((part + 1) * rows, dataset.count)
        found = [_codes(generator, *each) for each in stream(part * rows, stop)]
        writer.write(part, concatenate(found))
        advance(stop, dataset.count)
    return writer.finish()


@torch.no_grad()
@float32_products("ieee")
def _codes(generator: LinearGenerator, ids: Tensor, labels: Tensor, images: Tensor) -> Codes:
    """The best codes of images (n, C, H, W), and the errors of their reconstructions."""
    z = (images.flatten(1) - generator.mean) @ generator.components.T
    loss = (generator(z) - images).square().flatten(1).mean(1)
    none = torch.zeros(len(ids), dtype=torch.int32)
    return Codes(
        image_id=ids,
        label=labels,
        z=z.cpu(),
        loss=loss.cpu(),
        steps=none,
        restart=none,
        converged=torch.ones(len(ids), dtype=torch.bool),
    )


def _conclude(
    context: Context, card: GeneratorCard, stream: ImageStream, generator: LinearGenerator, store: Store
) -> Result:
    prior = load_prior(context.run.product("generator"), card)
    assert isinstance(prior, Gaussian)
    shares = _explained(prior, card.training["total_variance"])
    figures = {
        "reconstructions.png": _reconstructions(stream.dataset, generator, store),
        "components.png": _components(generator),
        "explained.png": explained_png(shares),
    }
    metrics = {
        "images": store.count,
        "latent_dim": store.latent_dim,
        "reconstruction_error": Tally.of(store).loss_mean,
        "explained": shares[-1].item(),
        "passes": card.training["passes"],
    }
    return Result(metrics, figures)


def _explained(prior: Gaussian, total: float) -> Tensor:
    """(d,) float64: the fraction of the images' variance in the first component, the first two, and so on."""
    shares = prior.root.double().diagonal().square().cumsum(0)
    return shares / total if total else torch.ones_like(shares)


@torch.no_grad()
def _reconstructions(dataset: Dataset, generator: LinearGenerator, store: Store) -> bytes:
    """The first images of the dataset, each above its reconstruction."""
    images = dataset.read(0, min(STACKED, dataset.count)).pixels
    return stacks_png(to_float(images), generator(store.head(len(images)).z))


@torch.no_grad()
def _components(generator: LinearGenerator) -> bytes:
    rows = torch.cat([generator.mean[None], generator.components[: SHOWN - 1]])
    images = rows.unflatten(1, generator.config.shape)
    return components_png(images[0], images[1:])
