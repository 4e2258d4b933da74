"""recover-partial: recover codes from part of their images (partial-measurements, section 4)."""

from collections.abc import Mapping
from math import prod
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.image_shape import Shape
from preimage.inversion import InversionConfig
from preimage.inversion.constraints import require_allowed
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others, tables
from preimage.jobs.published import RECOVER_PARTIAL, PaperSettings
from preimage.jobs.recover_partial.figures import completions_png, transition_png, weights_png
from preimage.jobs.recover_partial.report import FAMILIES, MASKS, MeasurementResult, RecoverPartialReport
from preimage.jobs.recover_partial.trial import PartialRecovery
from preimage.jobs.references import GeneratorRef
from preimage.metrics.normality import layer_weights, normality
from preimage.models.config import GeneratorConfig, classes_known
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card
from preimage.work.trials import Results

RATES = (0.01, 0.015, 0.02, 0.03125, 0.045, 0.0625, 0.09375, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)

Rate = Annotated[float, Field(gt=0, le=1)]

SHOWN = 3
"""Images in each column of the completions."""


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
            make_measurement(each, generator.shape)

    def run(self, context: Context) -> Result:
        """Do the missing trials, draw what they found, and set it beside what the paper says."""
        folder = context.inputs["generator"]
        card = read_card(folder)
        model = card.generator
        self.check_generator(model)
        trials = {_slug(each): each for each in self.all_measurements(model.shape)}
        work = PartialRecovery(folder, self.inversion, self.images, self.seed)
        found = context.run_trials(trials, work, "recovering codes")
        weights = layer_weights(load_generator(folder)[0])
        report = self._report(found, weights, card)
        shown = {
            _title(each): work.completion(each, found[_slug(each)]["z"][:SHOWN]) for each in self.measurements
        }
        figures = {
            "measurements.png": completions_png(shown),
            "transition.png": transition_png(report.rates, self.images, report.latent_dim / report.numbers),
            "weights.png": weights_png(weights, report.fits),
        }
        return Result(report.metrics(), figures, report.table())

    def all_measurements(self, shape: Shape) -> list[MeasurementConfig]:
        """Those of images of this shape, (C, H, W), the swept ones among them."""
        swept = sweep_rates(self.rates, shape)
        return [*self.measurements, *(each for by_share in swept.values() for each in by_share.values())]

    def _report(
        self, found: dict[str, Results], weights: dict[str, Tensor], card: GeneratorCard
    ) -> RecoverPartialReport:
        results = {name: summarise(each, self.threshold) for name, each in found.items()}
        return RecoverPartialReport(
            images=self.images,
            threshold=self.threshold,
            latent_dim=card.generator.latent_dim,
            numbers=prod(card.generator.shape),
            measurements={name_of(each): results[_slug(each)] for each in self.measurements},
            rates={
                family: {share: results[_slug(each)].recovered for share, each in by_share.items()}
                for family, by_share in sweep_rates(self.rates, card.generator.shape).items()
            },
            fits={layer: normality(each) for layer, each in weights.items()},
            diverged=sum(each.diverged for each in results.values()),
            remark=" ".join(filter(None, [self.paper.remark(self, card), _of_classes(card.generator)])),
        )


def _of_classes(generator: GeneratorConfig) -> str:
    known = "The generator is conditional on {} classes: each code has one, drawn at random and known."
    return known.format(classes) if (classes := classes_known(generator)) else ""


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


def summarise(found: Results, threshold: float) -> MeasurementResult:
    """What one measurement gave. An image that diverged is not recovered, and the other metrics skip it."""
    fine = ~found["diverged"].bool()
    return MeasurementResult(
        recovered=((found["z_error"] < threshold) & fine).double().mean().item(),
        z_error=found["z_error"][fine].median().item(),
        hidden_error=found["hidden_error"][fine].double().mean().item(),
        evaluations=found["passes"][fine].double().mean().item(),
        diverged=int((~fine).sum()),
        smallest=found["smallest"].median().item() if "smallest" in found else None,
        condition=found["condition"].median().item() if "condition" in found else None,
    )


def name_of(seen: MeasurementConfig) -> str:
    """A measurement's name in metrics and figures: its operator's, or its mask's, a file's without folder and
    ending."""
    return PurePath(seen.name).stem


def _title(seen: MeasurementConfig) -> str:
    """Its name above its images: what an operator observes is no image, so A^T y is shown."""
    return f"{name_of(seen)} (A^T y)" if seen.operator else name_of(seen)


def _slug(seen: MeasurementConfig) -> str:
    """A trial's name, different for every measurement."""
    parts = {"": seen.rate, "pool": seen.pool if seen.pool > 1 else None, "noise": seen.noise or None}
    return "-".join(
        [name_of(seen), *(f"{key}{value:g}" for key, value in parts.items() if value is not None)]
    )
