"""The export of a finished training run: the generator, and the images' codes if it has them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from preimage.batch_parts import part_of
from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.inversion.dataset import dataset_info
from preimage.latents.prior_kinds import FittedPrior
from preimage.latents.priors import PRIORS, Gaussian, support_of
from preimage.latents.schema import About, Codes, GeneratorInfo
from preimage.latents.statistics import Moments
from preimage.latents.store import StoreWriter
from preimage.models.cards import GeneratorCard
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder
from preimage.training.algorithm import GeneratorAlgorithm, OwnCodes
from preimage.training.batches import lanes
from preimage.training.moments import over_workers
from preimage.training.training import Training
from preimage.training.worker import Worker

CHUNK = 256
"""Images decoded at a time."""


def export_generator(
    worker: Worker,
    algorithm: GeneratorAlgorithm,
    training: Training,
    dataset: Dataset,
    images: Images,
    seen: int,
) -> None:
    """Write the generator folder, with a prior fitted to the codes if its config says so, and the store.

    images: this worker's part of the dataset. seen: images trained on, counting repetitions.
    Every worker calls this and writes the codes of its own images. The store has a part for each lane of the
    batch, so it is the same for any number of workers, and a killed export resumes.
    """
    codes, run = algorithm.codes(), training.run
    folder, store = run.product("generator"), run.product("store")
    prior = _fit(worker, algorithm, codes)
    history = training.history | {"images_seen": seen}
    card = worker.run_or_fail_together(
        lambda: write_generator(algorithm.generator, folder, history, prior) if worker.is_main else None
    )
    if not codes:
        return
    about = _about(worker.broadcast(card), run, dataset, history)
    batch = training.loop.batch_size
    worker.run_or_fail_together(  # the main worker writes the plan, which the others then find
        lambda: StoreWriter(store, about, batch, dataset.count) if worker.is_main else None
    )
    writer = worker.run_or_fail_together(lambda: StoreWriter(store, about, batch, dataset.count))
    steps = seen // dataset.count if codes.learned else 0
    worker.run_or_fail_together(lambda: _write(writer, worker, algorithm.generator, images, codes, steps))
    worker.run_or_fail_together(lambda: writer.finish() if worker.is_main else None)


def _fit(worker: Worker, algorithm: GeneratorAlgorithm, codes: OwnCodes | None) -> FittedPrior | None:
    """The prior of a generator whose config says it is fitted: to all workers' codes, or beforehand."""
    config: Any = algorithm.generator.config
    if not codes:
        return algorithm.prior if config.prior == "fitted" else None  # pyright: ignore[reportAttributeAccessIssue]
    if config.prior in PRIORS:  # a fixed one
        return None
    moments = over_workers(worker, Moments.empty(config.latent_dim).update(codes.z))
    return Gaussian.fit(moments, support_of(config.prior))


def _about(card: GeneratorCard, run: RunFolder, dataset: Dataset, history: dict[str, Any]) -> About:
    return About(
        generator=GeneratorInfo(fingerprint=card.fingerprint, path=run.product("generator").uri),
        dataset=dataset_info(dataset),
        solver={"solver": history.get("job", "training")},
        latent_dim=card.generator.latent_dim,
        prior=card.generator.prior,
    )


def _write(
    writer: StoreWriter, worker: Worker, generator: nn.Module, images: Images, codes: OwnCodes, steps: int
) -> None:
    """Write this worker's missing parts: those of its lanes."""
    missing = set(range(writer.plan.parts)) - writer.done()
    first, last = part_of(writer.plan.parts, worker.rank, worker.world_size)
    edges = lanes(writer.plan.count, writer.plan.parts)[first : last + 1].tolist()
    generator.eval()
    for part, (begin, end) in enumerate(pairwise(edge - edges[0] for edge in edges)):
        if first + part in missing:
            z, pixels = codes.z[begin:end], images.pixels[begin:end]
            loss = torch.cat(list(errors(generator, z, pixels)))
            count = torch.ones(end - begin, dtype=torch.int32)
            made = Codes(
                image_id=images.image_id[begin:end],
                label=images.labels[begin:end],
                z=z.cpu(),
                loss=loss.cpu(),
                steps=count * steps,
                restart=count * 0,
                converged=count.bool() & (not codes.learned),
            )
            writer.write(first + part, made)
    generator.train()


@torch.no_grad()
def errors(generator: nn.Module, z: Tensor, pixels: Tensor) -> Iterator[Tensor]:
    """Squared errors per pixel (n,) of images (N, C, H, W) uint8, as reconstructed from codes (N, d)."""
    for some, real in zip(z.split(CHUNK), pixels.split(CHUNK), strict=True):
        wanted = to_float(real.to(some.device))
        yield (generator(some) - wanted).square().flatten(1).mean(1)
