"""invert: how it runs."""

import logging
from typing import Any

import torch
from torch import nn

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import InversionError
from preimage.figures.grids import STACKED, stacks_png
from preimage.inversion.dataset import InversionTask, Inverter, dataset_info, part_rows
from preimage.inversion.labels import classes_of, generate
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.base import Context, Result
from preimage.jobs.compatibility import images_for
from preimage.jobs.invert.cost import Cost
from preimage.jobs.invert.figures import convergence_png, local_rank_png
from preimage.jobs.invert.found import Found
from preimage.jobs.invert.job import InvertJob
from preimage.jobs.invert.local_rank import RankSample, measure_local_rank, rank_metrics
from preimage.latents.schema import About, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.models.cards import GeneratorCard, read_card
from preimage.models.generator_folder import load_generator
from preimage.work.pieces import run_pieces

log = logging.getLogger(__name__)
STUCK = 1e-3
"""A search from near zero (1e-4) has not moved if the codes' root mean square stays below this."""
BINS = 60
"""Of the histogram of errors."""


def run(job: InvertJob, context: Context) -> Result:
    """Invert the images that are not in the store yet, and finish the store.

    Raises InversionError if every image diverged.
    """
    card = read_card(context.inputs["generator"])
    job.check_generator(card.generator)
    dataset = context.dataset(images_for(card, job.data))
    generator, _ = load_generator(context.inputs["generator"])
    _require_classes(generator, dataset)
    rows = part_rows(dataset.count, job.inversion.planned_batch)
    parts = -(-dataset.count // rows)
    writer = StoreWriter(
        context.run.product("store"), _about(job, context, card, dataset), parts, dataset.count
    )
    task = InversionTask(
        generator=context.inputs["generator"],
        dataset=dataset.folder,
        writer=writer,
        config=job.inversion,
        seed=job.seed,
        rows=rows,
    )
    work, cost = Inverter(task), Cost(context)
    progress = context.progress("inverting images")
    for part, done in run_pieces(work, range(parts), job.resources, progress, context.run.system):
        cost.add(work.size(part), done)
    written = writer.written()
    rank = _local_rank(job, context, written)
    found = Found(with_size=job.inversion.init_codes == "small-normal")
    store = writer.finish(rank.rank if rank else None, found, written)
    metrics = _conclude(job, store, found, cost)
    measurement = make_measurement(job.inversion.measurement, card.generator.shape, job.seed)
    figures = {
        "reconstructions.png": _reconstructions(generator, dataset, measurement, store),
        "errors.png": convergence_png(
            *found.tally.loss_histogram(BINS), metrics["reconstruction_error_median"]
        ),
    }
    if rank:
        metrics |= rank_metrics(rank.rank)
        figures["local_rank.png"] = local_rank_png(**rank.eigenvalues, threshold=rank.rank.threshold)
    return Result(metrics, figures)


def _local_rank(job: InvertJob, context: Context, store: Store) -> RankSample | None:
    if not job.rank_sample:
        return None
    return measure_local_rank(context, store, context.inputs["generator"], job.rank_sample, job.seed)


def _about(job: InvertJob, context: Context, card: GeneratorCard, dataset: Dataset) -> About:
    generator = GeneratorInfo(fingerprint=card.fingerprint, path=context.inputs["generator"].uri)
    return About(
        generator=generator,
        dataset=dataset_info(dataset),
        solver=job.inversion.model_dump(mode="json", exclude={"batch_size"}) | {"seed": job.seed},
        latent_dim=card.generator.latent_dim,
        prior=card.generator.prior,
    )


def _conclude(job: InvertJob, store: Store, found: Found, cost: Cost) -> dict[str, Any]:
    """The metrics. Raises InversionError if every image diverged."""
    tally = found.tally
    if not tally.counted:
        raise InversionError(
            f"the search for every one of {store.count} images diverged: lower inversion.lr, "
            "or choose another inversion.solver"
        )
    _warn_of_codes_that_never_moved(found.size)
    metrics: dict[str, Any] = {
        "images": store.count,
        "reconstruction_error": tally.loss_mean,
        "reconstruction_error_median": tally.loss_median,
        "converged": tally.converged / store.count,
        "steps_per_image": tally.steps_mean,
    }
    metrics |= cost.metrics() | {"diverged": tally.diverged}  # includes images of earlier attempts
    return metrics


def _require_classes(generator: nn.Module, dataset: Dataset) -> None:
    """Raise InversionError if a conditional generator lacks classes of the images, or they have none."""
    classes = classes_of(generator)
    if classes and not dataset.classes:
        raise InversionError(
            f"the generator is conditional on {classes} classes, but these images have no labels: choose "
            "data with classes"
        )
    if classes and len(dataset.classes) > classes:
        raise InversionError(
            f"the generator knows {classes} classes, but the images have {len(dataset.classes)}: choose "
            "data with those that it was trained on"
        )


def _warn_of_codes_that_never_moved(size: float) -> None:
    """A generator may be flat around zero; codes that stay there say nothing about its images. size: of codes
    whose search began near zero, else NaN."""
    if size < STUCK:
        log.warning(
            "the codes are still near zero, where their search began (root mean square %.1e): the generator "
            "is almost constant there, so they say nothing about its images. "
            "Search with inversion.init_codes=prior.",
            size,
        )


@torch.no_grad()
def _reconstructions(generator: nn.Module, dataset: Dataset, measurement: Measurement, store: Store) -> bytes:
    """The first images of the dataset, each above its reconstruction, and if not all of it was observed above
    what was (`Measurement.shown`); NaN pixels are grey."""
    images = dataset.read(0, min(STACKED, dataset.count))
    codes = store.head(len(images.image_id))
    labels = codes.label.long() if classes_of(generator) else None
    shown = [to_float(images.pixels), generate(generator, codes.z, labels).nan_to_num()]
    if measurement.config != MeasurementConfig():
        shown.append(measurement.shown(shown[0], images.image_id))
    return stacks_png(*shown)
