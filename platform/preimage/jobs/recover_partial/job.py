"""recover-partial: recover codes from part of their images (partial-measurements, section 4)."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.image_shape import Shape
from preimage.inversion import InversionConfig, invert
from preimage.inversion.constraints import require_allowed
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others, tables
from preimage.jobs.published import RECOVER_PARTIAL, PaperSettings
from preimage.jobs.recover_partial.figures import Completion, completions_png, transition_png, weights_png
from preimage.jobs.recover_partial.report import FAMILIES, MeasurementResult, RecoverPartialReport
from preimage.jobs.references import GeneratorRef
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.metrics.normality import layer_weights, normality
from preimage.models.config import GeneratorConfig, classes_known
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results

RATES = (0.01, 0.015, 0.02, 0.03125, 0.045, 0.0625, 0.09375, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)

Rate = Annotated[float, Field(gt=0, le=1)]

SHOWN = 3
"""Images in each column of the completions."""


class RecoverPartialJob(Job):
    """Draw codes from the prior, see part of their images, and find the codes again."""

    takes_labels: ClassVar[bool] = True

    job: Literal["recover-partial"] = "recover-partial"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    images: PositiveInt = 100
    """Codes drawn from the prior. The job measures images made of them, so it knows the codes to recover."""
    inversion: InversionConfig = InversionConfig(
        solver="adam", lr=0.1, steps=500, patience=None, init_codes="prior", restart_negative=True
    )
    masks: Annotated[tuple[MeasurementConfig, ...], Field(min_length=1)] = tuple(
        MeasurementConfig(mask=name, rate=0.5) for name in FAMILIES
    )
    """The measurements whose completed images are shown."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = RATES
    """Fractions of the image seen for the phase transition: random pixels, and a part from each side. Of
    rates that show equally many pixels or lines only the lowest is tried. One that shows none is skipped."""
    threshold: PositiveFloat = 1e-4
    """A code is recovered where its squared error, averaged over its components, is below the threshold."""

    @model_validator(mode="after")
    def _masks_say_what_is_seen(self) -> "RecoverPartialJob":
        if self.inversion.measurement != MeasurementConfig():
            raise ValueError("masks says what is seen: remove inversion.measurement")
        names = [name_of(each) for each in self.masks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"masks must differ in their names, but several are called {', '.join(twice)}")
        return self

    def metrics(self) -> Metrics:
        """The fraction of codes recovered and the error of hidden pixels, by mask.

        Beside them, by way of sampling, the fraction of the image that recovers half of the codes (None if no
        fraction does) and the codes recovered by fraction seen; and by layer how normal its weights are.
        """
        names = [name_of(each) for each in self.masks]
        return (
            *headline(*(f"recovered_{name}" for name in names)),
            *others("images", "diverged", *(f"hidden_error_{name}" for name in names)),
            *others(*(f"half_recovered_{family}" for family in FAMILIES)),
            *tables("recovered_by_rate", "normality"),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        """Trials, and the solver's steps in all of them."""
        trials = len(self.masks) + len(FAMILIES) * len(self.rates)
        searches = 1 + self.inversion.restarts + self.inversion.restart_negative
        steps = trials * self.images * searches * self.inversion.steps
        return {"trials at most": trials, "steps at most": steps}

    @property
    def paper(self) -> PaperSettings:
        return RECOVER_PARTIAL

    def check_generator(self, generator: GeneratorConfig) -> None:
        require_allowed(self.inversion.constraint, generator.prior)
        for each in self.measurements(generator.shape):
            make_measurement(each, generator.shape)

    def run(self, context: Context) -> Result:
        """Do the missing trials, draw what they found, and set it beside what the paper says."""
        folder = context.inputs["generator"]
        card = read_card(folder)
        model = card.generator
        self.check_generator(model)
        trials = {_slug(each): each for each in self.measurements(model.shape)}
        work = PartialRecovery(folder, self.inversion, self.images, self.seed)
        found = context.run_trials(trials, work, "recovering codes")
        weights = layer_weights(load_generator(folder)[0])
        report = self._report(found, weights, card)
        shown = {name_of(each): work.completion(each, found[_slug(each)]["z"][:SHOWN]) for each in self.masks}
        figures = {
            "masks.png": completions_png(shown),
            "transition.png": transition_png(report.rates, self.images),
            "weights.png": weights_png(weights, report.fits),
        }
        return Result(report.metrics(), figures, report.table())

    def measurements(self, shape: Shape) -> list[MeasurementConfig]:
        """All measurements of images of this shape, (C, H, W)."""
        swept = sweep_rates(self.rates, shape)
        return [*self.masks, *(each for by_share in swept.values() for each in by_share.values())]

    def _report(
        self, found: dict[str, Results], weights: dict[str, Tensor], card: GeneratorCard
    ) -> RecoverPartialReport:
        results = {name: summarise(each, self.threshold) for name, each in found.items()}
        return RecoverPartialReport(
            images=self.images,
            threshold=self.threshold,
            masks={name_of(each): results[_slug(each)] for each in self.masks},
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
    swept: dict[str, dict[float, MeasurementConfig]] = {family: {} for family in FAMILIES}
    for family, by_share in swept.items():
        whole = units[family]
        for rate in sorted(rates):
            if count := round(rate * whole):
                part = MeasurementConfig(mask=family, rate=rate)
                by_share.setdefault(count / whole, part if count < whole else MeasurementConfig())
    return swept


@dataclass(frozen=True)
class PartialRecovery:
    """Finds the codes from what one measurement sees. It travels to workers, so it holds an address."""

    generator: Folder
    inversion: InversionConfig
    images: int
    seed: int

    def __call__(self, seen: MeasurementConfig, device: torch.device) -> Results:
        """Of each image: `z` (n, d); `z_error` (n,), the mean squared error of its code; `hidden_error` (n,),
        that of the pixels not seen, NaN where nothing is hidden; `passes` and `diverged` (n,)."""
        network, prior = open_generator(self.generator, device)
        codes = draw_codes(prior, self.images, self.seed)
        labels = draw_labels(network, self.images, self.seed)
        images = make_images(network, codes.to(device), labels)
        measurement = self._measurement(seen, images)
        found = invert(
            network,
            images,
            config=self.inversion,
            prior=prior,
            measurement=measurement,
            seed=self.seed,
            labels=labels,
        )
        hidden = 1 - _seen(measurement, torch.arange(self.images, device=device))
        completed = make_images(network, found.z.to(device), labels)
        error = (completed - images).square().mean(1, keepdim=True) * hidden
        return {
            "z": found.z,
            "z_error": (found.z - codes).square().mean(1),
            "hidden_error": error.sum((1, 2, 3)) / hidden.sum((1, 2, 3)),
            "passes": found.passes,
            "diverged": found.diverged,
        }

    def completion(self, seen: MeasurementConfig, z: Tensor) -> Completion:
        """The first images: as they are, as seen, and as made from the codes z (n, d) found for them."""
        network, prior = open_generator(self.generator, torch.device("cpu"))
        labels = draw_labels(network, self.images, self.seed)
        labels = labels if labels is None else labels[: len(z)]
        images = make_images(network, draw_codes(prior, self.images, self.seed)[: len(z)], labels)
        measurement = self._measurement(seen, images)
        measured = F.interpolate(measurement.observe(images, torch.arange(len(z))), images.shape[2:])
        return Completion(images, measured, make_images(network, z, labels))

    def _measurement(self, seen: MeasurementConfig, images: Tensor) -> Measurement:
        channels, height, width = images.shape[1:]
        return make_measurement(seen, (channels, height, width), self.seed)


def _seen(measurement: Measurement, ids: Tensor) -> Tensor:
    """(n, 1, H, W), 1 where a pixel of the whole image is seen, by itself or in an average."""
    masks = measurement.masks(ids)
    if masks is None:
        return torch.ones(len(ids), 1, *measurement.shape[1:], device=ids.device)
    return F.interpolate(masks, measurement.shape[1:])


def summarise(found: Results, threshold: float) -> MeasurementResult:
    """What one measurement gave. An image that diverged is not recovered, and the other metrics skip it."""
    fine = ~found["diverged"].bool()
    return MeasurementResult(
        recovered=((found["z_error"] < threshold) & fine).double().mean().item(),
        z_error=found["z_error"][fine].median().item(),
        hidden_error=found["hidden_error"][fine].double().mean().item(),
        evaluations=found["passes"][fine].double().mean().item(),
        diverged=int((~fine).sum()),
    )


def name_of(seen: MeasurementConfig) -> str:
    """A measurement's name in metrics and figures: its mask's, a file's without folder and ending."""
    return PurePath(seen.mask).stem


def _slug(seen: MeasurementConfig) -> str:
    """A trial's name, different for every measurement."""
    parts = {"": seen.rate, "pool": seen.pool if seen.pool > 1 else None, "noise": seen.noise or None}
    return "-".join(
        [name_of(seen), *(f"{key}{value:g}" for key, value in parts.items() if value is not None)]
    )
