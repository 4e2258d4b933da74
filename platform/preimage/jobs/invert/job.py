"""invert: find the code of every image of a dataset, into a latent store."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import InversionError
from preimage.figures.grids import STACKED, stacks_png
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import require_allowed
from preimage.inversion.dataset import InversionTask, Inverter, dataset_info, part_rows
from preimage.inversion.labels import classes_of, generate
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.inversion.solvers import SOLVERS
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compatibility import images_for
from preimage.jobs.invert.cost import COUNTS, Cost
from preimage.jobs.invert.figures import convergence_png, local_rank_png
from preimage.jobs.invert.found import Found
from preimage.jobs.invert.local_rank import RANK_METRICS, RankSample, measure_local_rank, rank_metrics
from preimage.jobs.references import GeneratorRef
from preimage.latents.schema import About, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card
from preimage.work.pieces import run_pieces

log = logging.getLogger(__name__)

STUCK = 1e-3
"""A search from near zero (1e-4) has not moved if the codes' root mean square stays below this."""
RANK_SAMPLE = 32
"""The usual number of codes whose local rank is measured."""
RANK_COST = "codes of 1 + d generator evaluations for the local rank"
BINS = 60
"""Of the histogram of errors."""


class InvertJob(Job):
    """Find, for every image, a code that the generator maps to it."""

    makes: ClassVar[frozenset[str]] = frozenset({"store"})
    takes_labels: ClassVar[bool] = True

    told_apart_by: ClassVar[Mapping[str, str]] = {"inversion.solver": ""}

    job: Literal["invert"] = "invert"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    data: DataConfig | None = None
    """The images; by default those that the generator was trained on."""
    inversion: InversionConfig = InversionConfig()
    rank_sample: Annotated[int, Field(ge=0)] = RANK_SAMPLE
    """At how many of the codes to measure in how many directions they are determined, and at as many draws
    of the prior; 0 does not."""

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def metrics(self) -> Metrics:
        """Metrics of the images that did not diverge; `converged` is a fraction of all images.

        `generator_evaluations` counts what the workers reported: the passes of all images, and the setup of
        each worker. It misses parts that finished unseen while a killed job ended. `whitened`: 1 if the
        search was, 0 if it could not be, where `inversion.whiten` asks for it.
        """
        return (
            *headline(
                "images", "reconstruction_error", "reconstruction_error_median", "image_steps_per_second"
            ),
            *others("converged", "steps_per_image", *COUNTS),
            *others("whitened", may_be_absent=True),
            *RANK_METRICS,
        )

    def identity(self) -> dict[str, Any]:
        """The usual `rank_sample` is left out: a run that was finished without it made the same codes."""
        found = super().identity()
        if self.rank_sample == RANK_SAMPLE:
            del found["rank_sample"]
        return found

    def check_generator(self, generator: GeneratorConfig) -> None:
        require_allowed(self.inversion.constraint, generator.prior)
        _measurement(generator, self.inversion, seed=0)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps, and generator evaluations: one image through the generator, forward or backward, is one.

        A step is two, but up to 2 + d for a solver of squares only, whose d is not known here; nor is it for
        the local rank. The setup of each worker is not counted: a few thousand at most.
        """
        looked = self.rank_sample if images is None else min(self.rank_sample, images)
        return self._search_cost(images) | ({RANK_COST: 2 * looked} if looked else {})

    def _search_cost(self, images: int | None) -> dict[str, int]:
        each = self.inversion.steps * (1 + self.inversion.restarts + self.inversion.restart_negative)
        if images is None:
            return {"steps per image at most": each}
        if SOLVERS[self.inversion.solver].squares_only:
            return {"images": images, "steps of 2 + d generator evaluations at most": images * each}
        return {"images": images, "generator evaluations at most": 2 * images * each}

    def run(self, context: Context) -> Result:
        """Invert the images that are not in the store yet, and finish the store.

        Raises InversionError if every image diverged.
        """
        card = read_card(context.inputs["generator"])
        self.check_generator(card.generator)
        dataset = context.dataset(images_for(card, self.data))
        generator, _ = load_generator(context.inputs["generator"])
        _require_classes(generator, dataset)
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
        work, cost = Inverter(task), Cost(context)
        for part, done in run_pieces(
            work, range(parts), self.resources, context.progress("inverting images")
        ):
            cost.add(work.size(part), done)
        written = writer.written()
        rank = self._local_rank(context, written)
        found = Found(with_size=self.inversion.init_codes == "small-normal")
        store = writer.finish(rank.rank if rank else None, found, written)
        metrics = _conclude(self, store, found, cost)
        measurement = _measurement(card.generator, self.inversion, self.seed)
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

    def _local_rank(self, context: Context, store: Store) -> RankSample | None:
        if not self.rank_sample:
            return None
        return measure_local_rank(context, store, context.inputs["generator"], self.rank_sample, self.seed)


def _measurement(generator: GeneratorConfig, config: InversionConfig, seed: int) -> Measurement:
    return make_measurement(config.measurement, generator.shape, seed)


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
    if job.inversion.whiten and cost.whitened is not None:
        metrics["whitened"] = int(cost.whitened)
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
