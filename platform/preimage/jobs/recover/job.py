"""recover: find again the codes that a generator made images of (precise-recovery)."""

from dataclasses import replace
from itertools import product
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.config import DataConfig
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import ConstraintName, require_allowed
from preimage.inversion.measurements import MeasurementConfig
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.published import RECOVER, RECOVER_DESCENT, PaperSettings
from preimage.jobs.recover.metrics import UNRECOVERED, Way, condition_metrics, number_key
from preimage.jobs.references import GeneratorRef
from preimage.jobs.row_names import require_plain
from preimage.models.config import GeneratorConfig

TECHNIQUES: tuple[ConstraintName, ...] = ("none", "clip", "stochastic-clip")
THRESHOLDS = (1e-4, 1e-3, 1e-2, 1e-1)
NOISES = (1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1, 1.0)
INVERSIONS: dict[str, InversionConfig] = {
    "descent": InversionConfig(
        solver="gradient-descent",
        lr=1.0,
        lr_halving_steps=50_000,
        steps=100_000,
        patience=None,
        init_codes="prior",
    ),
    "fast": InversionConfig(restarts=1, steps=2000, patience=200, tolerance=1e-11),
}


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
    inversions: Annotated[dict[str, InversionConfig], Field(min_length=1)] = INVERSIONS
    """The searches to compare, by a name each: by default the paper's descent and the fast path."""
    probes: Annotated[int, Field(ge=0)] = 100
    """Codes, the first of those drawn, at which the generator's condition is measured; 0 leaves it out."""
    shown: tuple[Annotated[int, Field(ge=0)], ...] = (0, 100, 20_000)
    """Steps whose reconstructions are shown, beside those at the end (figure 1). A search with fewer
    steps, or that stopped before, shows how it ended; steps that no search takes are left out."""
    chunk: PositiveInt = 250
    """Searches in one trial: what a worker does at a time, and what is lost where a job is killed."""

    @field_validator("inversions")
    @classmethod
    def _names_are_plain(cls, inversions: dict[str, InversionConfig]) -> dict[str, InversionConfig]:
        require_plain(inversions, "an inversion")
        return inversions

    @field_validator("shown")
    @classmethod
    def _in_order(cls, shown: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(shown)))

    @model_validator(mode="after")
    def _that_fits_together(self) -> "RecoverJob":
        wrong = []
        for name, each in self.inversions.items():
            if each.constraint != "none":
                wrong.append(f"techniques sets the constraints: remove inversions.{name}.constraint")
            if each.measurement != MeasurementConfig():
                wrong.append(f"this job sees the whole image: remove inversions.{name}.measurement")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def metrics(self) -> Metrics:
        """The fraction of codes recovered at the first threshold, and the generator evaluations a code, by
        inversion and technique.

        Beside them the generator's condition, what descent's local rate `predicted` from it, `success` at
        every threshold, why codes are `unrecovered`, errors of codes (without noise, and by its variance),
        and of unseen images the distances between the codes found for one image.
        """
        names = [f"{way.inversion}_{way.technique}" for way in self.ways]
        recovered = [f"recovered_{name}" for name in names]
        evaluations = [f"evaluations_{name}" for name in names]
        plain = ("codes", "diverged", "pairwise_distance_baseline")
        shares = [f"unrecovered.{way.inversion}.{way.technique}.share_at_bounds" for way in self.ways]
        return (
            *headline(*recovered, *evaluations),
            *others(*plain, *self._nested_metrics()),
            *others(*shares, *(f"budget.{'.'.join(way)}" for way in self.ways), may_be_absent=True),
            *condition_metrics(self.inversions, [number_key(each) for each in self.thresholds]),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        """Codes searched for, and the solver's steps for all of them."""
        each = self.searches // len(self.inversions)
        steps = sum(
            (1 + inversion.restarts + inversion.restart_negative) * inversion.steps
            for inversion in self.inversions.values()
        )
        return {"searches": self.searches, "steps at most": each * steps}

    def check_generator(self, generator: GeneratorConfig) -> None:
        for technique in self.techniques:
            require_allowed(technique, generator.prior)

    @property
    def paper(self) -> PaperSettings:
        """Of an inversion by another solver than the paper's, the solver is all that can be compared."""
        settings = dict(RECOVER.settings)
        for name, each in self.inversions.items():
            theirs = RECOVER_DESCENT.settings
            compared = theirs if each.solver == theirs["solver"] else {"solver"}
            settings |= {f"inversions.{name}.{key}": theirs[key] for key in compared}
        return replace(RECOVER, settings=settings)

    @property
    def ways(self) -> list[Way]:
        """Every inversion with every technique."""
        return [Way(*each) for each in product(self.inversions, self.techniques)]

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
        return len(self.ways) * each

    def _nested_metrics(self) -> list[str]:
        """Dotted names: METRIC.INVERSION.TECHNIQUE.KEY of known codes, METRIC.INVERSION.TECHNIQUE of unseen
        images."""
        noises = [number_key(each) for each in self.noises]
        of_codes = {
            "success": [number_key(each) for each in self.thresholds],
            "z_error": ["mean", "median"],
            "unrecovered": UNRECOVERED,
            "z_error_by_noise": noises,
            "z_error_median_by_noise": noises,
        }
        unseen = ("pairwise_distance", "pairwise_distance_median", "unseen_image_error", "unseen_evaluations")
        ways = [".".join(way) for way in self.ways]
        return [
            *(f"{name}.{way}.{key}" for name, keys in of_codes.items() for way in ways for key in keys),
            *(f"{name}.{way}" for name in unseen for way in ways),
        ]

    def run(self, context: Context) -> Result:
        from preimage.jobs.recover.run import run

        return run(self, context)
