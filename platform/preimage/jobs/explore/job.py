"""explore: what a generator and its latent store can do (glo, sections 3.3.2 to 3.3.5)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, model_validator
from torch import Tensor, nn

from preimage.config import PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.inversion.conditional import conditional, relative_error, require_own_starts, seen, spread
from preimage.inversion.config import InversionConfig
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.explore.beside import BesideRef, Shown, open_beside
from preimage.jobs.explore.choice import Choice, ImageId
from preimage.jobs.explore.figures import (
    Drawn,
    arithmetic_png,
    conditional_png,
    interpolations_png,
    samples_png,
)
from preimage.jobs.explore.report import ExploreReport
from preimage.jobs.explore.walks import Arithmetic, Pairs, Walker, images_of
from preimage.jobs.published import GLO_CONDITION
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.jobs.row_names import require_plain
from preimage.jobs.sampling import make_images, open_generator
from preimage.latents.priors import Gaussian
from preimage.latents.store import Store
from preimage.latents.walks import codes_of, first_ids, fit_gaussian
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import load_generator, read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results

SHOWN = 6
"""How many images the picture of conditional draws shows."""


class ExploreJob(Job):
    """Sample, interpolate, add and complete images with the codes of a latent store."""

    job: Literal["explore"] = "explore"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    store: StoreRef
    """The codes of its images: an earlier step, a run's name or a latent store's folder."""
    data: DataConfig | None = None
    """The images that the codes stand for; without it those that the generator was trained on."""
    title: str = "codes"
    """What the pictures call this generator."""
    beside: dict[str, BesideRef] = Field(default_factory=dict)
    """Further generators of the same images, by their names in the pictures of samples and interpolations:
    each the step, run or folder that leaves both a generator and a store, or one for each. One without a
    store shows samples of its own prior (glo, figures 3 and 4)."""
    samples: PositiveInt = 64
    """How many images to draw from the Gaussian fitted to the codes."""
    interpolations: PositiveInt | Annotated[Pairs, Field(min_length=1)] = 5
    """Pairs of images to walk between: [id, id] each, or how many pairs of the store's first images."""
    steps: Annotated[int, Field(ge=2)] = 8
    """Codes on each walk, both ends included."""
    arithmetic: tuple[Arithmetic, ...] = ()
    """Sums of averaged codes, such as {plus: [{label: Coat}, {where: "age > 2"}], minus: [{ids: [3]}]}."""
    conditions: NonNegativeInt | Annotated[tuple[ImageId, ...], Field(min_length=1)] | Choice = 6
    """Images to complete from what is seen of them: how many of the store's first images, 0 for none; their
    ids; or such as {where: "Smiling = 1", max_images: 6}."""
    draws: Annotated[int, Field(ge=2)] = 8
    """How many images to draw for each that agree with what is seen of it."""
    condition: MeasurementConfig = MeasurementConfig(pool=8)
    """What is seen; glo averages squares of 8 x 8 pixels. The more is seen, the more alike the draws are."""
    inversion: InversionConfig = InversionConfig(
        solver="momentum", lr=1.0, steps=1000, tolerance=5e-5, patience=None, init_codes="prior"
    )
    """How to search for the draws, each from its own code of the Gaussian: by gradients, which stay near it.
    More steps make the errors smaller and the draws more alike."""

    @model_validator(mode="after")
    def _plain_names(self) -> "ExploreJob":
        require_plain([self.title, *self.beside], "a generator")
        return self

    @model_validator(mode="after")
    def _draws_that_differ(self) -> "ExploreJob":
        require_own_starts(self.inversion)
        if self.inversion.measurement != MeasurementConfig():
            raise ValueError("condition says what is seen: remove inversion.measurement")
        if self.condition.operator:
            raise ValueError("condition is a part of the image: give a mask or pool in place of operator")
        asked = self.conditions
        if isinstance(asked, Choice) and not (asked.ids or asked.max_images):
            raise ValueError("conditions needs max_images: each image takes `draws` searches")
        ids = asked.ids if isinstance(asked, Choice) else asked
        if isinstance(ids, tuple) and len(set(ids)) < len(ids):
            raise ValueError("conditions names an image twice")
        return self

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def check_generator(self, generator: GeneratorConfig) -> None:
        make_measurement(self.condition, generator.shape)

    def check_images(self, data: DataConfig, catalog: Catalog) -> None:
        for each in self._choices():
            each.check(data, catalog)

    def metrics(self) -> Metrics:
        """The relative error is of what is seen, the spread of what is not; `spread_unconditional` is that of
        draws without a condition. Errors skip the draws that diverged. All are of conditional draws."""
        if not self._conditions:
            return others("codes", "samples")
        shown = headline("relative_error", "spread", "spread_unconditional")
        counts = others("codes", "samples", "conditions", "draws", "diverged")
        return (*shown, *others("relative_error_median"), *counts)

    def cost(self, images: int | None) -> dict[str, int]:
        """Searches for conditional draws, and the solver's steps in all of them."""
        searches = self._conditions * self.draws
        return {"searches": searches, "steps at most": searches * self.inversion.steps}

    def run(self, context: Context) -> Result:
        """Draw a picture of each kind, and tabulate the conditional draws.

        Raises StoreError, DataError or GeneratorError if generator, codes and images do not belong together.
        """
        walker = self._open(context)
        prior = fit_gaussian(walker.store)
        shown = {self.title: Shown(walker.generator, prior, walker)}
        for name, asked in self.beside.items():
            shown[name] = open_beside(name, f"beside.{name}", asked, walker.dataset, context)
        pictures = self._side_by_side(walker, shown)
        if self.arithmetic:
            pictures["arithmetic.png"] = arithmetic_png([walker.sum(each) for each in self.arithmetic])
        metrics = {"codes": walker.store.count, "samples": self.samples}
        if not self._conditions:
            return Result(metrics, pictures)
        drawn, report = self._conditional(context, prior, walker)
        pictures["conditional.png"] = conditional_png(drawn)
        return Result(metrics | report.metrics(), pictures, report.table())

    def _side_by_side(self, walker: Walker, shown: Mapping[str, Shown]) -> dict[str, bytes]:
        """Samples of every generator, and the same interpolations of every one that has codes."""
        asked = self.interpolations
        pairs = walker.pairs(asked) if isinstance(asked, int) else asked
        lines = {name: each.walker.lines(pairs, self.steps) for name, each in shown.items() if each.walker}
        samples = [each.samples(self.samples, self.seed) for each in shown.values()]
        titles = [f"{name}: {each.drawn_from}" for name, each in shown.items()]
        if not self.beside:
            titles = ["Samples of the Gaussian fitted to the codes"]
        return {
            "samples.png": samples_png(dict(zip(titles, samples, strict=True))),
            "interpolations.png": interpolations_png(lines, walker.blends(pairs, self.steps)),
        }

    def _choices(self) -> Iterator[Choice]:
        for each in self.arithmetic:
            yield from (*each.plus, *each.minus)
        if isinstance(self.conditions, Choice):
            yield self.conditions

    @property
    def _conditions(self) -> int:
        """How many images to complete, at most."""
        asked = self.conditions
        if isinstance(asked, Choice):
            return asked.max_images or len(asked.ids)
        return asked if isinstance(asked, int) else len(asked)

    def _open(self, context: Context) -> Walker:
        """The generator, its codes and their images. Raises PreimageError if they do not belong together."""
        folder = context.inputs["generator"]
        card, store = read_card(folder), Store.open(context.inputs["store"])
        self.check_generator(card.generator)
        require_codes_of(card, store)
        dataset = context.dataset(images_for(card, self.data))
        require_images_of(dataset, store)
        self.check_images(dataset.config, context.catalog)
        return Walker(load_generator(folder)[0], store, dataset)

    def _conditional(
        self, context: Context, prior: Gaussian, walker: Walker
    ) -> tuple[list[Drawn], ExploreReport]:
        """Search for the draws of every image; the first ones to show, and the report on all."""
        ids = self._conditioned(walker)
        codes_of(walker.store, ids)  # raises if one is missing
        images = images_of(walker.dataset, ids)
        work = DrawConditionally(context.inputs["generator"], prior, self)
        trials = {f"image-{each:09d}": (each, image) for each, image in zip(ids, images, strict=True)}
        results = context.run_trials(trials, work, "drawing images")
        found = dict(zip(ids, results.values(), strict=True))
        shown = [work.drawn(each, images[i], found[each]["z"]) for i, each in enumerate(ids[:SHOWN])]
        remark = GLO_CONDITION.images.remark(walker.dataset.config)
        return shown, ExploreReport(found, self.draws, remark)

    def _conditioned(self, walker: Walker) -> Sequence[int]:
        """The ids of the images to complete. Raises StoreError if the choice has no codes."""
        asked = self.conditions
        if isinstance(asked, Choice):
            return walker.chooser.ids(asked, self._conditions)
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
