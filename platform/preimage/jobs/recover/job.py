"""recover: find again the codes that a generator made images of (precise-recovery)."""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.config import DataConfig
from preimage.figures.plots import image_rows_png
from preimage.inversion import InversionConfig
from preimage.inversion.constraints import ConstraintName, require_allowed
from preimage.inversion.measurements import MeasurementConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.held_out_images import unseen_images
from preimage.jobs.published import RECOVER, RECOVERED, PaperSettings
from preimage.jobs.recover.figures import noise_png, success_png
from preimage.jobs.recover.report import (
    TITLES,
    RecoveredCodes,
    RecoverReport,
    baseline,
    distances,
    number_key,
    recovered_codes,
)
from preimage.jobs.recover.search import (
    CODES,
    UNSEEN,
    CodeSearch,
    PartResults,
    join_chunks,
    noisy_part,
    search_chunks,
)
from preimage.jobs.references import GeneratorRef
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.latents.priors import Prior
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import load_prior, read_card
from preimage.storage.folder import Folder

TECHNIQUES: tuple[ConstraintName, ...] = ("none", "clip", "stochastic-clip")
THRESHOLDS = (1e-4, 1e-3, 1e-2, 1e-1)
NOISES = (1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1, 1.0)


class RecoverJob(Job):
    """Draw codes from the prior and find them again in their images, also through noise; then search for the
    codes of images that the generator was not trained on."""

    takes_labels: ClassVar[bool] = True

    job: Literal["recover"] = "recover"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder. Clipping needs one with a uniform prior."""
    codes: PositiveInt = 1000
    """Codes drawn from the prior and searched for."""
    techniques: Annotated[tuple[ConstraintName, ...], Field(min_length=1)] = TECHNIQUES
    """The constraints to compare."""
    thresholds: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = THRESHOLDS
    """A code is recovered where its squared error, averaged over its components, is below the threshold."""
    noises: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = NOISES
    """Variances of the Gaussian noise added to the images."""
    noisy_codes: PositiveInt = 100
    """Codes searched for at each variance; the paper does not say how many."""
    unseen: PositiveInt = 10
    """Images that the generator was not trained on. Each is searched for `repeats` times."""
    repeats: Annotated[int, Field(ge=2)] = 100
    """Searches for each unseen image, each from its own random start. The paper: 1000, of one image."""
    data: DataConfig | None = None
    """Where the unseen images come from. By default the test split of the generator's training data or, for
    digits, the images beyond its max_images."""
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
    """Searches in one trial: what a worker does at a time, and what is lost where a job is killed."""

    @model_validator(mode="after")
    def _that_fits_together(self) -> "RecoverJob":
        wrong = []
        if self.inversion.constraint != "none":
            wrong.append("techniques sets the constraints: remove inversion.constraint")
        if self.inversion.measurement != MeasurementConfig():
            wrong.append("this job sees the whole image: remove inversion.measurement")
        if self.shown and max(self.shown) >= self.inversion.steps:
            wrong.append(f"shown must name steps below {self.inversion.steps}, but is {list(self.shown)}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def metrics(self) -> Metrics:
        """The fraction of codes recovered at the first threshold, and the generator evaluations a code.

        Beside them `success` at every threshold, errors of codes (without noise, and by its variance), and of
        unseen images the distances between the codes found for one image.
        """
        recovered = [f"recovered_{name}" for name in self.techniques]
        evaluations = [f"evaluations_{name}" for name in self.techniques]
        plain = ("codes", "diverged", "pairwise_distance_baseline")
        return (*headline(*recovered, *evaluations), *others(*plain, *self._nested_metrics()))

    def cost(self, images: int | None) -> dict[str, int]:
        """Codes searched for, and the solver's steps for all of them."""
        starts = 1 + self.inversion.restarts + self.inversion.restart_negative
        return {
            "searches": self.searches,
            "steps at most": self.searches * starts * self.inversion.steps,
        }

    def check_generator(self, generator: GeneratorConfig) -> None:
        for technique in self.techniques:
            require_allowed(technique, generator.prior)

    def run(self, context: Context) -> Result:
        """Do the missing trials, draw what they found, and set it beside what the paper prints."""
        folder = context.inputs["generator"]
        card = read_card(folder)
        prior = load_prior(folder, card)
        self.check_generator(card.generator)
        dataset = unseen_images(card, self.data, self.unseen, context)
        chunks = search_chunks(self)
        work = CodeSearch(folder, dataset.folder, self)
        found = join_chunks(chunks, context.run_trials(chunks, work, "recovering codes"))
        codes = draw_codes(prior, self.drawn, self.seed)
        report = self._report(prior, codes, found, self.paper.remark(self, card))
        figures = {
            "success.png": success_png(report.recovered, RECOVERED),
            "noise.png": noise_png(report.noisy),
            "reconstructions.png": image_rows_png(self._reconstructions(folder, codes, found)),
        }
        return Result(report.metrics(), figures, report.table())

    @property
    def paper(self) -> PaperSettings:
        return RECOVER

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    @property
    def drawn(self) -> int:
        """How many codes are drawn; each part uses the first of them. Drawing fewer may give other codes."""
        return max(self.codes, self.noisy_codes)

    @property
    def searches(self) -> int:
        """Searches in the whole job."""
        each = self.codes + len(self.noises) * self.noisy_codes + self.unseen * self.repeats
        return len(self.techniques) * each

    def _nested_metrics(self) -> list[str]:
        """Dotted names: METRIC.TECHNIQUE.KEY of known codes, METRIC.TECHNIQUE of unseen images."""
        thresholds = [number_key(each) for each in self.thresholds]
        noises = [number_key(each) for each in self.noises]
        of_codes = {
            "success": thresholds,
            "z_error": ["mean", "median"],
            "z_error_by_noise": noises,
            "z_error_median_by_noise": noises,
        }
        unseen = ("pairwise_distance", "pairwise_distance_median", "unseen_image_error", "unseen_evaluations")
        return [
            *(
                f"{name}.{each}.{key}"
                for name, keys in of_codes.items()
                for each in self.techniques
                for key in keys
            ),
            *(f"{name}.{each}" for name in unseen for each in self.techniques),
        ]

    def _report(self, prior: Prior, codes: Tensor, found: PartResults, remark: str) -> RecoverReport:
        def of_codes(part: str, technique: str) -> RecoveredCodes:
            return recovered_codes(found[part, technique], codes, self.thresholds)

        return RecoverReport(
            codes=self.codes,
            noisy_codes=self.noisy_codes,
            unseen=self.unseen,
            repeats=self.repeats,
            recovered={name: of_codes(CODES, name) for name in self.techniques},
            noisy={
                name: {noise: of_codes(noisy_part(noise), name) for noise in self.noises}
                for name in self.techniques
            },
            distances={name: distances(found[UNSEEN, name], self.repeats) for name in self.techniques},
            baseline=baseline(prior, self.seed),
            remark=remark,
        )

    def _reconstructions(
        self, folder: Folder, codes: Tensor, found: PartResults
    ) -> dict[str, dict[str, Tensor]]:
        """By technique: the first images as they are, after the steps shown, and at the end."""
        network, _ = open_generator(folder, torch.device("cpu"))
        labels, columns = draw_labels(network, self.drawn, self.seed), {}
        for technique in self.techniques:
            each = found[CODES, technique]
            kept = {f"step {step:,}": each["kept_z"][:, i] for i, step in enumerate(self.shown)}
            count = len(each["kept_z"])
            rows = {"original": codes[:count], **kept, "end": each["z"][:count]}
            classes = labels if labels is None else labels[:count]
            columns[TITLES[technique]] = {name: make_images(network, z, classes) for name, z in rows.items()}
        return columns
