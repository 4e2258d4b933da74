"""explore: what a generator and its latent store can do (glo, sections 3.3.2 to 3.3.5)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from preimage.config import PositiveInt
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.inversion.conditional import conditional, relative_error, require_own_starts, seen, spread
from preimage.inversion.config import InversionConfig
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.explore.figures import (
    Drawn,
    arithmetic_png,
    conditional_png,
    interpolations_png,
    samples_png,
)
from preimage.jobs.explore.report import Report
from preimage.jobs.explore.walks import (
    Arithmetic,
    ImageId,
    Pairs,
    Walker,
    images_of,
)
from preimage.jobs.sampling import draw_codes, make_images, open_generator, this_device
from preimage.latents.priors import Gaussian
from preimage.latents.store import Store
from preimage.latents.walks import codes_of, first_ids, fit_gaussian
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import load_generator, read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results, run_trials

HEADLINE = ("relative_error", "spread", "spread_unconditional")

SHOWN = 6
"""Images in the picture of conditional draws."""


class ExploreConfig(JobConfig):
    """Sample, interpolate, add and complete images by the codes of a latent store."""

    NEEDS: ClassVar[dict[str, Product]] = {"generator": "generator", "store": "store"}

    job: Literal["explore"] = "explore"
    generator: str
    """An earlier step, a run's name or a generator folder."""
    store: str
    """The codes of its images: an earlier step, a run's name or a latent store's folder."""
    data: DataConfig | None = None
    """The images that the codes stand for; without it those that the generator was trained on."""
    samples: PositiveInt = 64
    """Images drawn by the Gaussian fitted to the codes."""
    interpolations: PositiveInt | Annotated[Pairs, Field(min_length=1)] = 5
    """Pairs of images between which to walk: [id, id] each, or how many of the store's first images."""
    steps: Annotated[int, Field(ge=2)] = 8
    """Codes on each walk, both ends among them."""
    arithmetic: tuple[Arithmetic, ...] = ()
    """Sums of averaged codes, such as {plus: [{label: Coat}, {label: Dress}], minus: [{ids: [3, 14]}]}."""
    conditions: PositiveInt | Annotated[tuple[ImageId, ...], Field(min_length=1)] = 6
    """Images of which a part is seen: their ids, or how many of the store's first images."""
    draws: Annotated[int, Field(ge=2)] = 8
    """Images drawn for each, that agree with what is seen of it."""
    condition: MeasurementConfig = MeasurementConfig(pool=8)
    """What is seen; glo averages squares of 8 x 8 pixels. The more is seen, the more alike the draws are."""
    inversion: InversionConfig = InversionConfig(
        solver="momentum", lr=1.0, steps=1000, tolerance=5e-5, patience=None, init_codes="prior"
    )
    """How the draws are searched for, each from its own code of the Gaussian: by gradients, which stay near
    it. More steps make the errors smaller and the draws more alike."""

    @model_validator(mode="after")
    def _draws_that_differ(self) -> "ExploreConfig":
        require_own_starts(self.inversion)
        if self.inversion.measurement != MeasurementConfig():
            raise ValueError("condition says what is seen: remove inversion.measurement")
        if isinstance(self.conditions, tuple) and len(set(self.conditions)) < len(self.conditions):
            raise ValueError("conditions names an image twice")
        return self

    def require_usable(self, generator: GeneratorConfig) -> None:
        side = generator.image_size
        make_measurement(self.condition, (generator.channels, side, side))


def cost(config: ExploreConfig, images: int | None) -> dict[str, int]:
    """Searches for conditional draws, and the solver's steps in all of them."""
    conditions = config.conditions if isinstance(config.conditions, int) else len(config.conditions)
    searches = conditions * config.draws
    return {"searches": searches, "steps at most": searches * config.inversion.steps}


def run(config: ExploreConfig, context: Context) -> Result:
    """Leave a picture of each kind and a table of the conditional draws.

    Raises StoreError, DataError or GeneratorError where generator, codes and images do not belong together.
    """
    folder = context.inputs["generator"]
    card, store = read_card(folder), Store.open(context.inputs["store"])
    config.require_usable(card.generator)
    require_codes_of(card, store)
    dataset = context.dataset(images_for(card, config.data))
    require_images_of(dataset, store)
    walker = Walker(load_generator(folder)[0], store, dataset)
    prior = fit_gaussian(store)
    samples = make_images(walker.generator, draw_codes(prior, config.samples, config.seed))
    sums = [walker.sum(each) for each in config.arithmetic]
    pictures = {
        "samples.png": samples_png(samples),
        "interpolations.png": interpolations_png(*walker.lines(config.interpolations, config.steps)),
        **({"arithmetic.png": arithmetic_png(sums)} if sums else {}),
    }
    drawn, report = _conditional(config, context, prior, dataset, store)
    pictures["conditional.png"] = conditional_png(drawn)
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    metrics = {"codes": store.count, "samples": config.samples, **report.metrics()}
    return Result(metrics, ("table.md", *pictures))


def _conditional(
    config: ExploreConfig, context: Context, prior: Gaussian, dataset: Dataset, store: Store
) -> tuple[list[Drawn], Report]:
    """Search for the draws of every image; what the picture shows of the first, and figures of all."""
    ids = first_ids(store, config.conditions) if isinstance(config.conditions, int) else config.conditions
    codes_of(store, ids)  # raises for images that are not there
    images = images_of(dataset, ids)
    work = Completing(context.inputs["generator"], prior, config)
    trials = {f"image-{each:09d}": (each, image) for each, image in zip(ids, images, strict=True)}
    found = dict(zip(ids, run_trials(context, trials, work, "drawing images").values(), strict=True))
    shown = [work.drawn(each, images[i], found[each]["z"]) for i, each in enumerate(ids[:SHOWN])]
    return shown, Report(found, config.draws)


@dataclass(frozen=True)
class Completing:
    """A trial: the draws that agree with what is seen of one image. It travels, so it holds an address."""

    generator: Folder
    prior: Gaussian
    config: ExploreConfig

    def __call__(self, asked: tuple[int, Tensor]) -> Results:
        """Of an image by its id, (C, H, W): the codes `z` (r, d) of its draws, their `relative_error` and
        `diverged` (r,); their `spread`, and the `unconditional` one of where they started, (1,) each."""
        ids, images = torch.tensor(asked[:1]), asked[1][None]
        network, _ = open_generator(self.generator, this_device())
        measurement = self._measurement(images)
        config = self.config
        found = conditional(
            network, images, self.prior, measurement, config.inversion, config.draws, ids, config.seed
        )
        made, free = (self._images(network, codes[0])[None].cpu() for codes in (found.z, found.start))
        return {
            "z": found.z[0],
            "relative_error": relative_error(measurement, made, images, ids)[0],
            "diverged": found.diverged[0],
            "spread": spread(measurement, made, ids),
            "unconditional": spread(measurement, free, ids),
        }

    def drawn(self, image_id: int, image: Tensor, z: Tensor) -> Drawn:
        """What a picture shows of an image (C, H, W) and the codes (r, d) drawn for it."""
        network, _ = open_generator(self.generator, torch.device("cpu"))
        images = torch.cat([image[None], self._images(network, z)])
        measurement, ids = self._measurement(images), torch.tensor([image_id])
        return Drawn(image_id, images, seen(measurement, images[None], ids)[0])

    def _measurement(self, images: Tensor) -> Measurement:
        channels, height, width = images.shape[1:]
        return make_measurement(self.config.condition, (channels, height, width), self.config.seed)

    def _images(self, network: nn.Module, codes: Tensor) -> Tensor:
        return make_images(network, codes.to(next(network.parameters()).device))
