"""invert: find the code of every image of a dataset, into a latent store."""

import logging
import time
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import InversionError
from preimage.figures.grids import stacks_png
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import require_allowed
from preimage.inversion.dataset import InversionTask, Inverter, PartDone, part_rows
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compatibility import images_for
from preimage.jobs.invert.figures import convergence_png
from preimage.jobs.references import GeneratorRef
from preimage.latents.schema import About, DatasetInfo, GeneratorInfo
from preimage.latents.statistics import store_moments
from preimage.latents.store import Store, StoreWriter
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card
from preimage.work.pieces import run_pieces

log = logging.getLogger(__name__)

STUCK = 1e-3
"""A search from near zero (1e-4) has not moved if the codes' root mean square stays below this."""
SHOWN = 32
"""Images in the grid of reconstructions."""
COUNTS = ("generator_evaluations", "diverged")
"""Recorded as they grow; a resumed job continues the count."""


class InvertJob(Job):
    """Find, for every image, a code that the generator maps to it."""

    makes: ClassVar[frozenset[str]] = frozenset({"store"})

    job: Literal["invert"] = "invert"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    data: DataConfig | None = None
    """The images; by default those that the generator was trained on."""
    inversion: InversionConfig = InversionConfig()

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def metrics(self) -> Metrics:
        """Metrics of the images that did not diverge; `converged` is a fraction of all images.

        `generator_evaluations` counts what the workers reported: the passes of all images, and the setup of
        each worker. It misses parts that finished unseen while a killed job ended.
        """
        return (
            *headline(
                "images", "reconstruction_error", "reconstruction_error_median", "image_steps_per_second"
            ),
            *others("converged", "steps_per_image", *COUNTS),
        )

    def check_generator(self, generator: GeneratorConfig) -> None:
        require_allowed(self.inversion.constraint, generator.prior)
        _measurement(generator, self.inversion, seed=0)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps, and generator evaluations: one image through the generator, forward or backward, is one.

        A step is two, but up to 2 + d for levenberg-marquardt, whose d is not known here. The setup of each
        worker is not counted: a few thousand at most.
        """
        each = self.inversion.steps * (1 + self.inversion.restarts + self.inversion.restart_negative)
        if images is None:
            return {"steps per image at most": each}
        if self.inversion.solver == "levenberg-marquardt":
            return {"images": images, "steps of 2 + d generator evaluations at most": images * each}
        return {"images": images, "generator evaluations at most": 2 * images * each}

    def run(self, context: Context) -> Result:
        """Invert the images that are not in the store yet, and finish the store.

        Raises InversionError if every image diverged.
        """
        card = read_card(context.inputs["generator"])
        self.check_generator(card.generator)
        dataset = context.dataset(images_for(card, self.data))
        rows = part_rows(dataset.count, self.inversion.batch_size)
        parts = -(-dataset.count // rows)
        writer = StoreWriter(
            context.run.product("store"), _about(self, context, card, dataset), parts, dataset.count
        )
        task = InversionTask(
            generator=context.inputs["generator"],
            dataset=dataset.folder,
            writer=writer,
            config=self.inversion,
            seed=self.seed,
            rows=rows,
        )
        work, tally = Inverter(task), _Tally(context)
        for part, done in run_pieces(
            work, range(parts), self.resources, context.progress("inverting images")
        ):
            tally.add(work.size(part), done)
        measurement = _measurement(card.generator, self.inversion, self.seed)
        return _conclude(self, context, dataset, measurement, writer.finish(), tally.metrics())


class _Tally:
    """Counts the finished images and their cost, and records the speed over them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.begin, self.images, self.steps = time.perf_counter(), 0, 0
        self.counts = {name: _latest(context, name) for name in COUNTS}

    def add(self, images: int, done: PartDone | None) -> None:
        """Add a part of this many images and its cost; None if an earlier attempt finished it."""
        self.images += images
        if done:
            self.steps += done["steps"]
            self.counts["generator_evaluations"] += done["passes"]
            self.counts["diverged"] += done["diverged"]
            self.context.run.record(self.images, {"seconds_per_part": done["seconds"], **self.metrics()})

    def metrics(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.begin
        return self.counts | ({"image_steps_per_second": self.steps / seconds} if self.steps else {})


def _latest(context: Context, name: str) -> int:
    """The count of earlier attempts."""
    return int(max((value for _, value in context.run.curve(name)), default=0))


def _measurement(generator: GeneratorConfig, config: InversionConfig, seed: int) -> Measurement:
    return make_measurement(config.measurement, generator.shape, seed)


def _about(job: InvertJob, context: Context, card: GeneratorCard, dataset: Dataset) -> About:
    generator = GeneratorInfo(fingerprint=card.fingerprint, path=context.inputs["generator"].uri)
    images = DatasetInfo(fingerprint=dataset.fingerprint, path=dataset.folder.uri, count=dataset.count)
    return About(
        generator=generator,
        dataset=images,
        solver=job.inversion.model_dump(mode="json", exclude={"batch_size"}) | {"seed": job.seed},
        latent_dim=card.generator.latent_dim,
        prior=card.generator.prior,
    )


def _conclude(
    job: InvertJob,
    context: Context,
    dataset: Dataset,
    measurement: Measurement,
    store: Store,
    tally: dict[str, float],
) -> Result:
    losses, steps, converged = (
        torch.cat([getattr(codes, name) for codes in store.batches([name])])
        for name in ("loss", "steps", "converged")
    )
    counted = ~losses.isnan()
    if not counted.any():
        raise InversionError(
            f"the search for every one of {store.count} images diverged: lower inversion.lr, "
            "or choose another inversion.solver"
        )
    _warn_of_codes_that_never_moved(job, store)
    figures = {
        "reconstructions.png": _reconstructions(context, dataset, measurement, store),
        "errors.png": convergence_png(losses[counted].numpy()),
    }
    metrics: dict[str, Any] = {
        "images": store.count,
        "reconstruction_error": losses[counted].double().mean().item(),
        "reconstruction_error_median": losses[counted].median().item(),
        "converged": converged.double().mean().item(),
        "steps_per_image": steps[counted].double().mean().item(),
    }
    metrics |= tally | {"diverged": int((~counted).sum())}  # includes images of earlier attempts
    return Result(metrics, figures)


def _warn_of_codes_that_never_moved(job: InvertJob, store: Store) -> None:
    """A generator may be flat around zero; codes that stay there say nothing about its images."""
    moments = store_moments(store)
    size = (moments.gram.trace() / (moments.count * store.latent_dim)).sqrt().item()
    if job.inversion.init_codes == "small-normal" and size < STUCK:
        log.warning(
            "the codes are still near zero, where their search began (root mean square %.1e): the generator "
            "is almost constant there, so they say nothing about its images. "
            "Search with inversion.init_codes=prior.",
            size,
        )


@torch.no_grad()
def _reconstructions(context: Context, dataset: Dataset, measurement: Measurement, store: Store) -> bytes:
    """The first images of the dataset, each above its reconstruction, and above its observed part if that was
    not all of it; NaN pixels are grey."""
    images = dataset.read(0, min(SHOWN, dataset.count))
    codes = store.head(len(images.image_id))
    generator, _ = load_generator(context.inputs["generator"])
    shown = [to_float(images.pixels), generator(codes.z).nan_to_num()]
    if measurement.config != MeasurementConfig():
        shown.append(_seen(measurement, shown[0], images.image_id))
    return stacks_png(*shown)


def _seen(measurement: Measurement, images: Tensor, ids: Tensor) -> Tensor:
    """The observed part of images (n, C, H, W), at their own size."""
    return F.interpolate(measurement.observe(images, ids), images.shape[2:])
