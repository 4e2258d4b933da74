"""partial: recover codes from part of their images (partial-measurements, section 4)."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.inversion import InversionConfig, invert
from preimage.inversion.constraints import require_allowed
from preimage.inversion.measurements import Measurement, MeasurementConfig, make_measurement
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.recover_partial.figures import Completion, completions_png, transition_png, weights_png
from preimage.jobs.recover_partial.report import FAMILIES, Recovered, Report
from preimage.jobs.sampling import draw_codes, make_images, open_generator, this_device
from preimage.metrics.normality import convolution_weights, normality
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import load_generator, read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results, run_trials

HEADLINE = tuple(f"recovered_{name}" for name in FAMILIES)

RATES = (0.01, 0.015, 0.02, 0.03125, 0.045, 0.0625, 0.09375, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)

Rate = Annotated[float, Field(gt=0, le=1)]

SHOWN = 3
"""Images in each column of the completions."""


class PartialConfig(JobConfig):
    """Draw codes from the prior, see part of their images, and find the codes again."""

    NEEDS: ClassVar[dict[str, Product]] = {"generator": "generator"}

    job: Literal["recover-partial"] = "recover-partial"
    generator: str
    """An earlier step, a run's name or a generator folder."""
    images: PositiveInt = 100
    """Codes drawn from the prior. Their own images are measured, so exact recovery can be told."""
    inversion: InversionConfig = InversionConfig(
        solver="adam", lr=0.1, steps=500, patience=None, init_codes="prior", restart_negative=True
    )
    masks: Annotated[tuple[MeasurementConfig, ...], Field(min_length=1)] = tuple(
        MeasurementConfig(mask=name, rate=0.5) for name in FAMILIES
    )
    """The measurements whose completed images are shown."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = RATES
    """Shares of the image seen for the phase transition: random pixels, and a part from each side. Of rates
    that show as many pixels or lines only the lowest is tried, and none that shows no pixel."""
    threshold: PositiveFloat = 1e-4
    """A code is recovered where its squared error, averaged over its components, is below this."""

    @model_validator(mode="after")
    def _masks_say_what_is_seen(self) -> "PartialConfig":
        if self.inversion.measurement != MeasurementConfig():
            raise ValueError("masks says what is seen: remove inversion.measurement")
        names = [name_of(each) for each in self.masks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"masks must differ in their names, but several are called {', '.join(twice)}")
        return self

    def require_usable(self, generator: GeneratorConfig) -> None:
        require_allowed(self.inversion.constraint, generator.prior)
        for each in measurements(self, generator.image_size):
            make_measurement(each, (generator.channels, generator.image_size, generator.image_size))


def cost(config: PartialConfig, images: int | None) -> dict[str, int]:
    """Trials, and the solver's steps in all of them."""
    trials = len(config.masks) + len(FAMILIES) * len(config.rates)
    searches = 1 + config.inversion.restarts + config.inversion.restart_negative
    steps = trials * config.images * searches * config.inversion.steps
    return {"trials at most": trials, "steps at most": steps}


def run(config: PartialConfig, context: Context) -> Result:
    """Do the trials that are missing; leave three pictures and a table."""
    folder = context.inputs["generator"]
    model = read_card(folder).generator
    swept = sweep(config.rates, model.image_size)
    asked = measurements(config, model.image_size)
    config.require_usable(model)
    work = Recovery(folder, config.inversion, config.images, config.seed)
    found = run_trials(context, {_slug(each): each for each in asked}, work, "recovering codes")
    trials = {name: summarise(each, config.threshold) for name, each in found.items()}
    weights = convolution_weights(load_generator(folder)[0])
    report = Report(
        images=config.images,
        threshold=config.threshold,
        masks={name_of(each): trials[_slug(each)] for each in config.masks},
        rates={
            family: {share: trials[_slug(each)].recovered for share, each in by_share.items()}
            for family, by_share in swept.items()
        },
        fits={layer: normality(each) for layer, each in weights.items()},
        diverged=sum(each.diverged for each in trials.values()),
    )
    shown = {name_of(each): work.completion(each, found[_slug(each)]["z"][:SHOWN]) for each in config.masks}
    pictures = {
        "masks.png": completions_png(shown),
        "transition.png": transition_png(report.rates, config.images),
        "weights.png": weights_png(weights, report.fits),
    }
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    return Result(report.metrics(), ("table.md", *pictures))


def measurements(config: PartialConfig, side: int) -> list[MeasurementConfig]:
    """All that are asked for of images of this side."""
    swept = sweep(config.rates, side)
    return [*config.masks, *(each for by_share in swept.values() for each in by_share.values())]


def sweep(rates: tuple[float, ...], side: int) -> dict[str, dict[float, MeasurementConfig]]:
    """For each family its measurements of images of this side, by the share of the image that they see."""
    swept: dict[str, dict[float, MeasurementConfig]] = {family: {} for family in FAMILIES}
    for family, by_share in swept.items():
        whole = side * side if family == "random" else side
        for rate in sorted(rates):
            if count := round(rate * whole):
                part = MeasurementConfig(mask=family, rate=rate)
                by_share.setdefault(count / whole, part if count < whole else MeasurementConfig())
    return swept


@dataclass(frozen=True)
class Recovery:
    """A trial: the codes found from what one measurement sees. It travels, so it holds an address."""

    generator: Folder
    inversion: InversionConfig
    images: int
    seed: int

    def __call__(self, seen: MeasurementConfig) -> Results:
        """Of each image: `z` (n, d); (n,) `z_error`, over its components, and `hidden_error`, over the pixels
        not seen, both squared and averaged (NaN where nothing is hidden); `passes` and `diverged`."""
        device = this_device()
        network, prior = open_generator(self.generator, device)
        codes = draw_codes(prior, self.images, self.seed)
        images = make_images(network, codes.to(device))
        measurement = self._measurement(seen, images)
        found = invert(
            network, images, config=self.inversion, prior=prior, measurement=measurement, seed=self.seed
        )
        hidden = 1 - _seen(measurement, torch.arange(self.images, device=device))
        error = (make_images(network, found.z.to(device)) - images).square().mean(1, keepdim=True) * hidden
        return {
            "z": found.z,
            "z_error": (found.z - codes).square().mean(1),
            "hidden_error": error.sum((1, 2, 3)) / hidden.sum((1, 2, 3)),
            "passes": found.passes,
            "diverged": found.diverged,
        }

    def completion(self, seen: MeasurementConfig, z: Tensor) -> Completion:
        """The first images as they are, as seen, and as made from the codes z (n, d) found for them."""
        network, prior = open_generator(self.generator, torch.device("cpu"))
        images = make_images(network, draw_codes(prior, self.images, self.seed)[: len(z)])
        measurement = self._measurement(seen, images)
        measured = F.interpolate(measurement.observe(images, torch.arange(len(z))), images.shape[2:])
        return Completion(images, measured, make_images(network, z))

    def _measurement(self, seen: MeasurementConfig, images: Tensor) -> Measurement:
        channels, height, width = images.shape[1:]
        return make_measurement(seen, (channels, height, width), self.seed)


def _seen(measurement: Measurement, ids: Tensor) -> Tensor:
    """(n, 1, H, W), 1 where a pixel of the whole image is seen, by itself or in an average."""
    masks = measurement.masks(ids)
    if masks is None:
        return torch.ones(len(ids), 1, *measurement.shape[1:], device=ids.device)
    return F.interpolate(masks, measurement.shape[1:])


def summarise(found: Results, threshold: float) -> Recovered:
    """A trial's figures. Images that diverged are not recovered, and left out of the other figures."""
    fine = ~found["diverged"].bool()
    return Recovered(
        recovered=((found["z_error"] < threshold) & fine).double().mean().item(),
        z_error=found["z_error"][fine].median().item(),
        hidden_error=found["hidden_error"][fine].double().mean().item(),
        evaluations=found["passes"][fine].double().mean().item(),
        diverged=int((~fine).sum()),
    )


def name_of(seen: MeasurementConfig) -> str:
    """A measurement's name in figures: its mask's, a file's without folder and ending."""
    return PurePath(seen.mask).stem


def _slug(seen: MeasurementConfig) -> str:
    """A trial's name: other measurements have other ones."""
    parts = {"": seen.rate, "pool": seen.pool if seen.pool > 1 else None, "noise": seen.noise or None}
    return "-".join(
        [name_of(seen), *(f"{key}{value:g}" for key, value in parts.items() if value is not None)]
    )
