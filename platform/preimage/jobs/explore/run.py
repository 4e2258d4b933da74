"""explore: how it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.inversion.conditional import conditional, relative_error, seen, spread
from preimage.inversion.measurements import Measurement, make_measurement
from preimage.jobs.base import Context, Result
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.explore.beside import Shown, open_beside
from preimage.jobs.explore.config import Choice
from preimage.jobs.explore.figures import (
    Drawn,
    arithmetic_png,
    conditional_png,
    interpolations_png,
    samples_png,
)
from preimage.jobs.explore.job import ExploreJob
from preimage.jobs.explore.report import ExploreReport
from preimage.jobs.explore.walks import Walker, images_of
from preimage.jobs.published import GLO_CONDITION
from preimage.jobs.sampling import make_images, open_generator
from preimage.latents.priors import Gaussian
from preimage.latents.store import Store
from preimage.latents.walks import first_ids, fit_gaussian
from preimage.models.cards import read_card
from preimage.models.generator_folder import load_generator
from preimage.storage.folder import Folder
from preimage.work.trials import Results

SHOWN = 6
"""How many images the picture of conditional draws shows."""


def run(job: ExploreJob, context: Context) -> Result:
    """Draw a picture of each kind, and tabulate the conditional draws.

    Raises StoreError, DataError or GeneratorError if generator, codes and images do not belong together.
    """
    walker = _open(job, context)
    prior = fit_gaussian(walker.store)
    shown = {job.title: Shown(walker.generator, prior, walker)}
    for name, asked in job.beside.items():
        shown[name] = open_beside(name, f"beside.{name}", asked, walker.dataset, context)
    pictures = _side_by_side(job, walker, shown)
    if job.arithmetic:
        pictures["arithmetic.png"] = arithmetic_png([walker.sum(each) for each in job.arithmetic])
    metrics = {"codes": walker.store.count, "samples": job.samples}
    if not job.conditioned:
        return Result(metrics, pictures)
    drawn, report = _conditional(job, context, prior, walker)
    pictures["conditional.png"] = conditional_png(drawn)
    return Result(metrics | report.metrics(), pictures, report.table())


def _side_by_side(job: ExploreJob, walker: Walker, shown: Mapping[str, Shown]) -> dict[str, bytes]:
    """Samples of every generator, and the same interpolations of every one that has codes."""
    asked = job.interpolations
    pairs = walker.pairs(asked) if isinstance(asked, int) else asked
    lines = {name: each.walker.lines(pairs, job.steps) for name, each in shown.items() if each.walker}
    samples = [each.samples(job.samples, job.seed) for each in shown.values()]
    titles = [f"{name}: {each.drawn_from}" for name, each in shown.items()]
    if not job.beside:
        titles = ["Samples of the Gaussian fitted to the codes"]
    return {
        "samples.png": samples_png(dict(zip(titles, samples, strict=True))),
        "interpolations.png": interpolations_png(lines, walker.blends(pairs, job.steps)),
    }


def _open(job: ExploreJob, context: Context) -> Walker:
    """The generator, its codes and their images. Raises PreimageError if they do not belong together."""
    folder = context.inputs["generator"]
    card, store = read_card(folder), Store.open(context.inputs["store"])
    job.check_generator(card.generator)
    require_codes_of(card, store)
    dataset = context.dataset(images_for(card, job.data))
    require_images_of(dataset, store)
    job.check_images(dataset.config, context.catalog)
    return Walker(load_generator(folder)[0], store, dataset)


def _conditional(
    job: ExploreJob, context: Context, prior: Gaussian, walker: Walker
) -> tuple[list[Drawn], ExploreReport]:
    """Search for the draws of every image; the first ones to show, and the report on all."""
    ids = _conditioned(job, walker)
    walker.store.codes_of(ids)  # raises if one is missing
    images = images_of(walker.dataset, ids)
    work = DrawConditionally(context.inputs["generator"], prior, job)
    trials = {f"image-{each:09d}": (each, image) for each, image in zip(ids, images, strict=True)}
    results = context.run_trials(trials, work, "drawing images")
    found = dict(zip(ids, results.values(), strict=True))
    shown = [work.drawn(each, images[i], found[each]["z"]) for i, each in enumerate(ids[:SHOWN])]
    remark = GLO_CONDITION.images.remark(walker.dataset.config)
    return shown, ExploreReport(found, job.draws, remark)


def _conditioned(job: ExploreJob, walker: Walker) -> Sequence[int]:
    """The ids of the images to complete. Raises StoreError if the choice has no codes."""
    asked = job.conditions
    if isinstance(asked, Choice):
        return walker.chooser.ids(asked, job.conditioned)
    return first_ids(walker.store, asked) if isinstance(asked, int) else asked


@dataclass(frozen=True)
class DrawConditionally:
    """One trial: the draws that agree with what is seen of one image.

    It travels to workers, so it holds the generator's address and not the network.
    """

    generator: Folder
    prior: Gaussian
    job: ExploreJob

    def __call__(self, asked: tuple[int, Tensor], device: torch.device) -> Results:
        """For an image_id and its image (C, H, W): the codes `z` (r, d) of the draws, their `relative_error`
        and `diverged` (r,), their `spread` (1,), and that of their initial codes, `unconditional` (1,)."""
        ids, images = torch.tensor(asked[:1]), asked[1][None]
        network, _ = open_generator(self.generator, device)
        measurement = self._measurement(images)
        job = self.job
        found = conditional(network, images, self.prior, measurement, job.inversion, job.draws, ids, job.seed)
        made, free = (self._images(network, codes[0])[None].cpu() for codes in (found.z, found.start))
        return {
            "z": found.z[0],
            "relative_error": relative_error(measurement, made, images, ids)[0],
            "diverged": found.diverged[0],
            "spread": spread(measurement, made, ids),
            "unconditional": spread(measurement, free, ids),
        }

    def drawn(self, image_id: int, image: Tensor, z: Tensor) -> Drawn:
        """What the picture shows for an image (C, H, W) and the codes (r, d) drawn for it."""
        network, _ = open_generator(self.generator, torch.device("cpu"))
        images = torch.cat([image[None], self._images(network, z)])
        measurement, ids = self._measurement(images), torch.tensor([image_id])
        return Drawn(image_id, images, seen(measurement, images[None], ids)[0])

    def _measurement(self, images: Tensor) -> Measurement:
        channels, height, width = images.shape[1:]
        return make_measurement(self.job.condition, (channels, height, width), self.job.seed)

    def _images(self, network: nn.Module, codes: Tensor) -> Tensor:
        return make_images(network, codes.to(next(network.parameters()).device))
