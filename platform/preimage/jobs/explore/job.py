"""explore: what a generator and its latent store can do (glo, sections 3.3.2 to 3.3.5)."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

from preimage.config import PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.inversion.config import InversionConfig, require_own_starts
from preimage.inversion.measurements import MeasurementConfig, require_measurable
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.explore.config import Arithmetic, BesideRef, Choice, ImageId, Pairs
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.jobs.row_names import require_plain
from preimage.models.config import GeneratorConfig


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
        require_measurable(self.condition, generator.shape)

    def check_images(self, data: DataConfig, catalog: Catalog) -> None:
        for each in self._choices():
            each.check(data, catalog)

    def metrics(self) -> Metrics:
        """The relative error is of what is seen, the spread of what is not; `spread_unconditional` is that of
        draws without a condition. Errors skip the draws that diverged. All are of conditional draws."""
        if not self.conditioned:
            return others("codes", "samples")
        shown = headline("relative_error", "spread", "spread_unconditional")
        counts = others("codes", "samples", "conditions", "draws", "diverged")
        return (*shown, *others("relative_error_median"), *counts)

    def cost(self, images: int | None) -> dict[str, int]:
        """Searches for conditional draws, and the solver's steps in all of them."""
        searches = self.conditioned * self.draws
        return {"searches": searches, "steps at most": searches * self.inversion.steps}

    def _choices(self) -> Iterator[Choice]:
        for each in self.arithmetic:
            yield from (*each.plus, *each.minus)
        if isinstance(self.conditions, Choice):
            yield self.conditions

    @property
    def conditioned(self) -> int:
        """How many images to complete, at most."""
        asked = self.conditions
        if isinstance(asked, Choice):
            return asked.max_images or len(asked.ids)
        return asked if isinstance(asked, int) else len(asked)

    def run(self, context: Context) -> Result:
        from preimage.jobs.explore.run import run

        return run(self, context)
