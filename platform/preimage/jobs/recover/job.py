"""recover: find again the codes that a generator made images of (precise-recovery)."""

from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.figures.plots import image_rows_png
from preimage.inversion import Engine, InversionConfig
from preimage.inversion.config import ConstraintName
from preimage.inversion.constraints import require_allowed
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.held_out_images import unseen_images
from preimage.jobs.recover.figures import noise_png, success_png
from preimage.jobs.recover.report import (
    PAPER,
    TITLES,
    Recovered,
    Report,
    baseline,
    distances,
    recovered,
)
from preimage.jobs.sampling import draw_codes, make_images, open_generator, this_device
from preimage.latents.priors import Prior
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import load_prior, read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results, run_trials

CODES, UNSEEN = "codes", "unseen"
"""Parts of the job; a third is called after its noise."""

Found = dict[tuple[str, str], Results]
"""By part and technique."""

TECHNIQUES: tuple[ConstraintName, ...] = ("none", "clip", "stochastic-clip")
THRESHOLDS = (1e-4, 1e-3, 1e-2, 1e-1)
NOISES = (1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1, 1.0)

HEADLINE = (*(f"recovered_{name}" for name in TECHNIQUES), *(f"evaluations_{name}" for name in TECHNIQUES))

SHOWN = 6
"""Codes whose reconstructions are shown."""


class RecoverConfig(JobConfig):
    """Draw codes from the prior, and find them again in their images, noisy images, and unseen ones."""

    NEEDS: ClassVar[dict[str, Product]] = {"generator": "generator"}

    job: Literal["recover"] = "recover"
    generator: str
    """An earlier step, a run's name or a generator folder. Clipping needs one with a uniform prior."""
    codes: PositiveInt = 1000
    """Codes drawn from the prior and searched for."""
    techniques: Annotated[tuple[ConstraintName, ...], Field(min_length=1)] = TECHNIQUES
    """The constraints that are compared."""
    thresholds: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = THRESHOLDS
    """A code is recovered where its squared error, averaged over its components, is below such a number."""
    noises: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = NOISES
    """Variances of the Gaussian noise added to the images."""
    noisy_codes: PositiveInt = 100
    """Codes searched for at each of them; the paper does not say how many."""
    unseen: PositiveInt = 10
    """Images that the generator was not trained on, each of which is given codes `repeats` times."""
    repeats: Annotated[int, Field(ge=2)] = 100
    """Searches for each of them, each from a random start of its own. The paper: 1000, of one image."""
    data: DataConfig | None = None
    """Where they come from; otherwise from the test split of what the generator was trained on, or, where
    that is digits, from those beyond its max_images."""
    inversion: InversionConfig = InversionConfig(
        solver="gradient-descent",
        lr=1.0,
        lr_halving_steps=50_000,
        steps=100_000,
        patience=None,
        init_codes="prior",
    )
    shown: tuple[Annotated[int, Field(ge=0)], ...] = (0, 100)
    """Steps whose reconstructions are shown, beside those at the end."""
    chunk: PositiveInt = 250
    """Searches a trial: what is lost where a job is killed, and what a worker does at a time."""

    @model_validator(mode="after")
    def _that_fits_together(self) -> "RecoverConfig":
        wrong = []
        if self.inversion.constraint != "none":
            wrong.append("techniques says the constraints: remove inversion.constraint")
        if self.inversion.measurement != MeasurementConfig():
            wrong.append("all of the image is seen: remove inversion.measurement")
        if self.shown and max(self.shown) >= self.inversion.steps:
            wrong.append(f"shown must name steps below {self.inversion.steps}, but is {list(self.shown)}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def require_usable(self, generator: GeneratorConfig) -> None:
        for technique in self.techniques:
            require_allowed(technique, generator.prior)

    @property
    def drawn(self) -> int:
        """Codes drawn, of which the first are used: drawing fewer may give other ones."""
        return max(self.codes, self.noisy_codes)

    @property
    def searches(self) -> int:
        each = self.codes + len(self.noises) * self.noisy_codes + self.unseen * self.repeats
        return len(self.techniques) * each


def cost(config: RecoverConfig, images: int | None) -> dict[str, int]:
    """Codes searched for, and the solver's steps for all of them."""
    starts = 1 + config.inversion.restarts + config.inversion.restart_negative
    return {
        "searches": config.searches,
        "steps at most": config.searches * starts * config.inversion.steps,
    }


def run(config: RecoverConfig, context: Context) -> Result:
    """Do the trials that are missing; leave three pictures and a table."""
    folder = context.inputs["generator"]
    card = read_card(folder)
    prior = load_prior(folder, card)
    config.require_usable(card.generator)
    dataset = unseen_images(card, config.data, config.unseen, context)
    asked = trials(config)
    work = Recovery(folder, dataset.folder, config)
    found = _joined(asked, run_trials(context, asked, work, "recovering codes"))
    codes = draw_codes(prior, config.drawn, config.seed)
    report = _report(config, prior, codes, found)
    pictures = {
        "success.png": success_png(report.recovered, PAPER),
        "noise.png": noise_png(report.noisy),
        "reconstructions.png": image_rows_png(_reconstructions(config, folder, codes, found)),
    }
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    return Result(report.metrics(), ("table.md", *pictures))


def _report(config: RecoverConfig, prior: Prior, codes: Tensor, found: Found) -> Report:
    def of_codes(part: str, technique: str) -> Recovered:
        return recovered(found[part, technique], codes, config.thresholds)

    return Report(
        codes=config.codes,
        noisy_codes=config.noisy_codes,
        unseen=config.unseen,
        repeats=config.repeats,
        recovered={name: of_codes(CODES, name) for name in config.techniques},
        noisy={
            name: {noise: of_codes(_noisy(noise), name) for noise in config.noises}
            for name in config.techniques
        },
        distances={name: distances(found[UNSEEN, name], config.repeats) for name in config.techniques},
        baseline=baseline(prior, config.seed),
    )


@dataclass(frozen=True)
class Trial:
    """Some of the searches of one part with one technique."""

    part: str
    technique: ConstraintName
    rows: range
    """Which of the part's; of unseen images all repeats of the first come first."""
    noise: float = 0.0


def _noisy(noise: float) -> str:
    return f"noise{noise:g}"


def trials(config: RecoverConfig) -> dict[str, Trial]:
    """All of them, by name."""
    parts = [(CODES, config.codes, 0.0), (UNSEEN, config.unseen * config.repeats, 0.0)]
    parts += [(_noisy(noise), config.noisy_codes, noise) for noise in config.noises]
    return {
        f"{part}-{technique}-{first:06d}": Trial(
            part, technique, range(first, min(first + config.chunk, count)), noise
        )
        for (part, count, noise), technique in product(parts, config.techniques)
        for first in range(0, count, config.chunk)
    }


@dataclass(frozen=True)
class Recovery:
    """Does a trial. It travels, so it holds addresses."""

    generator: Folder
    dataset: Folder
    config: RecoverConfig

    def __call__(self, trial: Trial) -> Results:
        """Of each search: `z` (n, d), `loss`, `passes` and `diverged` (n,); `setup` (1,), the evaluations
        that making ready took; of the first searches `kept_z` (shown, steps shown, d)."""
        device = this_device()
        network, prior = open_generator(self.generator, device)
        ids = torch.arange(trial.rows.start, trial.rows.stop)
        if trial.part == UNSEEN:
            images = self._unseen()[ids // self.config.repeats].to(device)
        else:
            codes = draw_codes(prior, self.config.drawn, self.config.seed)[ids]
            images = make_images(network, codes.to(device))
        channels, height, width = images.shape[1:]
        seed = self.config.seed
        seen = make_measurement(MeasurementConfig(noise=trial.noise), (channels, height, width), seed)
        engine = Engine(network, self._settings(trial), prior, seen, seed, device)
        first = trial.part == CODES and trial.rows.start == 0
        found = engine.invert(images, ids=ids, keep=self.config.shown if first else ())
        results = {name: getattr(found, name) for name in ("z", "loss", "passes", "diverged")}
        results["setup"] = torch.tensor([engine.passes])
        return results | ({"kept_z": found.kept_z[:SHOWN]} if first else {})

    def _settings(self, trial: Trial) -> InversionConfig:
        """Searches for an unseen image start anywhere: from one start they would only repeat each other."""
        start = "prior" if trial.part == UNSEEN else self.config.inversion.init_codes
        return self.config.inversion.model_copy(update={"constraint": trial.technique, "init_codes": start})

    def _unseen(self) -> Tensor:
        """(unseen, C, H, W), the dataset's last images."""
        dataset = Dataset.open(self.dataset)
        return to_float(dataset.read(dataset.count - self.config.unseen, dataset.count).pixels)


def _joined(trials: dict[str, Trial], results: dict[str, Results]) -> Found:
    """The results by part and technique, of all its searches in order."""
    chunks: dict[tuple[str, str], list[Results]] = {}
    for name, trial in trials.items():
        chunks.setdefault((trial.part, trial.technique), []).append(results[name])
    return {
        key: {name: torch.cat([each[name] for each in some if name in each]) for name in some[0]}
        for key, some in chunks.items()
    }


def _reconstructions(
    config: RecoverConfig, folder: Folder, codes: Tensor, found: Found
) -> dict[str, dict[str, Tensor]]:
    """Of each technique the first images as they are, after the steps shown, and at the end."""
    network, _ = open_generator(folder, torch.device("cpu"))
    columns = {}
    for technique in config.techniques:
        each = found[CODES, technique]
        kept = {f"step {step:,}": each["kept_z"][:, i] for i, step in enumerate(config.shown)}
        count = len(each["kept_z"])
        rows = {"original": codes[:count], **kept, "end": each["z"][:count]}
        columns[TITLES[technique]] = {name: make_images(network, z) for name, z in rows.items()}
    return columns
