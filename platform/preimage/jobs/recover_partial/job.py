"""recover-partial: recover codes from part of their images (partial-measurements, section 4)."""

from collections.abc import Mapping
from math import prod
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.image_shape import Shape
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import require_allowed
from preimage.inversion.measurements import MeasurementConfig, require_measurable
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others, tables
from preimage.jobs.published import RECOVER_PARTIAL, PaperSettings
from preimage.jobs.recover_partial.report import FAMILIES, MASKS
from preimage.jobs.references import GeneratorRef
from preimage.models.config import GeneratorConfig

RATES = (0.01, 0.015, 0.02, 0.03125, 0.045, 0.0625, 0.09375, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)

Rate = Annotated[float, Field(gt=0, le=1)]


class RecoverPartialJob(Job):
    """Draw codes from the prior, see part of their images, and find the codes again."""

    takes_labels: ClassVar[bool] = True
    told_apart_by: ClassVar[Mapping[str, str]] = {"inversion.solver": ""}

    job: Literal["recover-partial"] = "recover-partial"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    images: PositiveInt = 100
    """Codes drawn from the prior. The job measures images made of them, so it knows the codes to recover."""
    inversion: InversionConfig = InversionConfig(
        solver="adam", lr=0.1, steps=500, patience=None, init_codes="prior", restart_negative=True
    )
    measurements: Annotated[tuple[MeasurementConfig, ...], Field(min_length=1)] = tuple(
        MeasurementConfig(mask=name, rate=0.5) for name in MASKS
    )
    """Those whose completed images are shown: masks, averages and operators."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = RATES
    """Fractions of the image seen for the phase transition: random pixels, a part from each side, and as many
    Gaussian measurements as that fraction of the image's numbers. Of rates that show equally many pixels or
    lines only the lowest is tried. One that shows none is skipped."""
    threshold: PositiveFloat = 1e-4
    """A code is recovered where its squared error, averaged over its components, is below the threshold."""

    @model_validator(mode="after")
    def _measurements_say_what_is_seen(self) -> "RecoverPartialJob":
        if self.inversion.measurement != MeasurementConfig():
            raise ValueError("measurements says what is seen: remove inversion.measurement")
        names = [name_of(each) for each in self.measurements]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            several = ", ".join(twice)
            raise ValueError(f"measurements must differ in their names, but several are called {several}")
        return self

    def metrics(self) -> Metrics:
        """The fraction of codes recovered and the error of hidden pixels, by measurement; of an operator all
        are hidden, for it shows none by itself.

        Beside them, by way of sampling, the fraction of the image that recovers half of the codes (None if no
        fraction does) and the codes recovered by fraction seen; by measurement the smallest eigenvalue and
        the condition of the generator seen through it, None where it cannot be differentiated; and by layer
        how normal its weights are.
        """
        names = [name_of(each) for each in self.measurements]
        return (
            *headline(*(f"recovered_{name}" for name in names)),
            *others("images", "diverged", *(f"hidden_error_{name}" for name in names)),
            *others(*(f"half_recovered_{family}" for family in FAMILIES)),
            *tables("recovered_by_rate", "conditioning", "normality"),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        """Trials, and the solver's steps in all of them."""
        trials = len(self.measurements) + len(FAMILIES) * len(self.rates)
        searches = 1 + self.inversion.restarts + self.inversion.restart_negative
        steps = trials * self.images * searches * self.inversion.steps
        return {"trials at most": trials, "steps at most": steps}

    @property
    def paper(self) -> PaperSettings:
        return RECOVER_PARTIAL

    def check_generator(self, generator: GeneratorConfig) -> None:
        require_allowed(self.inversion.constraint, generator.prior)
        for each in self.all_measurements(generator.shape):
            require_measurable(each, generator.shape)

    def all_measurements(self, shape: Shape) -> list[MeasurementConfig]:
        """Those of images of this shape, (C, H, W), the swept ones among them."""
        swept = sweep_rates(self.rates, shape)
        return [*self.measurements, *(each for by_share in swept.values() for each in by_share.values())]

    def run(self, context: Context) -> Result:
        from preimage.jobs.recover_partial.run import run

        return run(self, context)


def sweep_rates(rates: tuple[float, ...], shape: Shape) -> dict[str, dict[float, MeasurementConfig]]:
    """Measurements of images (C, H, W), by way of sampling and by the fraction of the image seen."""
    _, height, width = shape
    units = {"random": height * width, "top": height, "bottom": height, "left": width, "right": width}
    units["gaussian"] = prod(shape)
    swept: dict[str, dict[float, MeasurementConfig]] = {family: {} for family in FAMILIES}
    for family, by_share in swept.items():
        whole = units[family]
        for rate in sorted(rates):
            if count := round(rate * whole):
                if family == "gaussian":  # as many measurements as numbers are still not the image itself
                    part = MeasurementConfig(operator=family, rate=rate)
                elif count == whole:
                    part = MeasurementConfig()
                else:
                    part = MeasurementConfig(mask=family, rate=rate)
                by_share.setdefault(count / whole, part)
    return swept


def name_of(seen: MeasurementConfig) -> str:
    """A measurement's name in metrics and figures: its operator's, or its mask's, a file's without folder and
    ending."""
    return PurePath(seen.name).stem
