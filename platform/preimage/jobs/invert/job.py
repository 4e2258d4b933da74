"""invert: find the code of every image of a dataset, into a latent store."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from preimage.data.config import DataConfig
from preimage.inversion.config import PREDICTED, InversionConfig
from preimage.inversion.constraints import require_allowed
from preimage.inversion.measurements import require_measurable
from preimage.inversion.setup_size import setup_size
from preimage.inversion.solvers import SOLVERS
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.references import GeneratorRef
from preimage.models.config import GeneratorConfig

RANK_SAMPLE = 32
"""The usual number of codes whose local rank is measured."""
SETUP_COST = "images generated to start from"
RANK_COST = "codes of 1 + d generator evaluations for the local rank"


COUNTS = ("generator_evaluations", "diverged")
"""Recorded as they grow; a resumed job continues the count."""
RANK_OTHERS = ("local_rank_lowest", "condition_number", "smallest_eigenvalue", "directions_below")
RANK_METRICS: Metrics = (
    *headline("local_rank", may_be_absent=True),
    *others("local_rank_prior", *RANK_OTHERS, *(f"{name}_prior" for name in RANK_OTHERS), may_be_absent=True),
)


class InvertJob(Job):
    """Find, for every image, a code that the generator maps to it."""

    makes: ClassVar[frozenset[str]] = frozenset({"store"})
    takes_labels: ClassVar[bool] = True
    told_apart_by: ClassVar[Mapping[str, str]] = {"inversion.solver": ""}

    job: Literal["invert"] = "invert"
    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    data: DataConfig | None = None
    """The images; by default those that the generator was trained on."""
    inversion: InversionConfig = InversionConfig()
    rank_sample: Annotated[int, Field(ge=0)] = RANK_SAMPLE
    """At how many of the codes to measure in how many directions they are determined, and at as many draws
    of the prior; 0 does not."""

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def metrics(self) -> Metrics:
        """Metrics of the images that did not diverge; `converged` is a fraction of all images.

        `generator_evaluations` counts what the workers reported: the passes of all images, and the setup
        once, also where an earlier job measured it. It misses parts that finished unseen while a killed job
        ended.
        """
        return (
            *headline(
                "reconstruction_error", "reconstruction_error_median", "images", "image_steps_per_second"
            ),
            *others("converged", "steps_per_image", *COUNTS),
            *RANK_METRICS,
        )

    def identity(self) -> dict[str, Any]:
        """The usual `rank_sample` is left out: a run that was finished without it made the same codes."""
        found = super().identity()
        if self.rank_sample == RANK_SAMPLE:
            del found["rank_sample"]
        return found

    def check_generator(self, generator: GeneratorConfig) -> None:
        require_allowed(self.inversion.constraint, generator.prior)
        require_measurable(self.inversion.measurement, generator.shape)

    def cost(self, images: int | None) -> dict[str, int]:
        """Steps, and generator evaluations: one image through the generator, forward or backward, is one.

        A step is two, but up to 2 + d for a solver of squares only, whose d is not known here; nor is it for
        the local rank; the setup takes as many gradients as images are generated, or fewer.
        """
        looked = self.rank_sample if images is None else min(self.rank_sample, images)
        found = self._search_cost(images)
        if images is not None and self.inversion.init_codes in PREDICTED:
            found[SETUP_COST] = setup_size(images, 1, self.inversion.init_codes).pairs
        return found | ({RANK_COST: 2 * looked} if looked else {})

    def _search_cost(self, images: int | None) -> dict[str, int]:
        each = self.inversion.steps * (1 + self.inversion.restarts + self.inversion.restart_negative)
        if images is None:
            return {"steps per image at most": each}
        if SOLVERS[self.inversion.solver].squares_only:
            return {"images": images, "steps of 2 + d generator evaluations at most": images * each}
        return {"images": images, "generator evaluations at most": 2 * images * each}

    def run(self, context: Context) -> Result:
        from preimage.jobs.invert.run import run

        return run(self, context)
