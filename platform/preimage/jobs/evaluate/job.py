"""evaluate: how good and how varied a generator's samples are (denoising-feature-matching, section 5)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from preimage.config import PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import SpecError
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others, tables
from preimage.jobs.evaluate.metric_names import CLASSIFIER, INCEPTION
from preimage.jobs.published import INCEPTION_SCORES, PaperSettings
from preimage.jobs.references import ClassifierRef, GeneratorRef, PriorRef
from preimage.jobs.row_names import require_plain
from preimage.models.inception_weights import require_colours, require_weights


def _several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


_ONE_OR_SEVERAL = BeforeValidator(_several, json_schema_input_type=str | list[str])
Runs = Annotated[tuple[GeneratorRef, ...], _ONE_OR_SEVERAL, Field(min_length=1)]
Priors = Annotated[tuple[PriorRef, ...], _ONE_OR_SEVERAL, Field(min_length=1)]


class EvaluateJob(Job):
    """Score generators' samples with one network, beside real images."""

    job: Literal["evaluate"] = "evaluate"
    generators: Annotated[dict[str, Runs], Field(min_length=1)]
    """Names for the lines of the table, each with the step, run or folder of a generator, or with several of
    them, such as those of different seeds. `DCGAN` and `DFM-GAN` are the paper's."""
    prior: PriorRef | None = None
    """Draw all codes from this fitted prior instead of each generator's own: an earlier step, a run's name or
    a prior's folder."""
    priors: dict[str, Priors] = Field(default_factory=dict)
    """The same for the lines of these names, whatever `prior` says: one prior for all generators of a line,
    or one for each, in order. So a generator may have several lines, each with another prior."""
    classifier: ClassifierRef | None = None
    """The network: an earlier step, a run's name or a classifier's folder. Without it, Inception."""
    weights: str | None = None
    """Inception's weights, on every machine: the published .pth file, or .safetensors; without it they are
    downloaded."""
    images: PositiveInt = 50_000
    """Samples of each generator, and training images at most."""
    splits: PositiveInt = 10
    """Parts of which each has its own score; the score grows with the images of a part."""
    data: DataConfig | None = None
    """The training images, which samples are compared with; without it those that the first generator was
    trained on."""
    test: DataConfig | None = None
    """Held-out images, whose own score is the ceiling. Without it the test split of `data`; digits have none:
    there, the images beyond data.max_images."""
    chunk: PositiveInt = 500
    """Images of a piece of work; a job that is killed loses only unfinished pieces."""

    @property
    def packages(self) -> tuple[str, ...]:
        return () if self.classifier else ("torch-fidelity",)

    @field_validator("generators")
    @classmethod
    def _names_are_plain(cls, generators: dict[str, Runs]) -> dict[str, Runs]:
        require_plain(generators, "a generator")
        return generators

    @model_validator(mode="after")
    def _priors_are_of_lines(self) -> "EvaluateJob":
        if unknown := self.priors.keys() - self.generators.keys():
            raise ValueError(f"priors names {', '.join(sorted(unknown))}, which generators does not")
        return self

    @model_validator(mode="after")
    def _one_network(self) -> "EvaluateJob":
        if self.classifier and self.weights:
            raise ValueError("weights are Inception's: give either classifier or weights")
        return self

    @model_validator(mode="after")
    def _two_images_a_split(self) -> "EvaluateJob":
        if self.images < 2 * self.splits:
            raise ValueError(
                f"images must be at least 2 for each of {self.splits} splits, but is {self.images}: "
                "a split of one image scores 1"
            )
        return self

    def metrics(self) -> Metrics:
        """`ordering` begins with the highest score. `table` has a generator's metrics by name, or the mean of
        several; `runs` has each of these. `real` has the metrics of the training images, and of the test
        images where there are any."""
        names = CLASSIFIER if self.classifier else INCEPTION
        counts = {name: len(runs) for name, runs in self.generators.items()}
        scorer = (f"scorer.{name}" for name in ("score", *names.about))
        return (
            *headline("ordering", is_text=True),
            *headline("splits", "images_per_split"),
            *others(*scorer, is_text=True),
            *others("images", *names.of_job(counts)),
            *tables("real"),
        )

    @property
    def paper(self) -> PaperSettings | None:
        return None if self.classifier else INCEPTION_SCORES

    def cost(self, images: int | None) -> dict[str, int]:
        return {"samples made and scored": self.images * sum(map(len, self.generators.values()))}

    def check(self, catalog: Catalog) -> None:
        """Refuse weights that are named but missing, images that Inception does not take, and another number
        of priors than of generators."""
        for name, priors in self.priors.items():
            if len(priors) not in (1, len(self.generators[name])):
                raise SpecError(
                    f"priors.{name} names {len(priors)} priors for {len(self.generators[name])} generators: "
                    "give one for all, or one for each"
                )
        require_weights(self.weights)
        if self.data and not self.classifier:
            require_colours(self.data.channels)

    def borrowed_priors(self) -> dict[str, str]:
        return {
            f"generators.{name}.{i}": prior
            for name, runs in self.generators.items()
            for i in range(len(runs))
            if (prior := self.prior_of(name, i))
        }

    def prior_of(self, name: str, i: int) -> str | None:
        """The key of the prior that a generator's codes are drawn from; None for its own."""
        if name in self.priors:
            return f"priors.{name}.{i if len(self.priors[name]) > 1 else 0}"
        return "prior" if self.prior else None

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    def run(self, context: Context) -> Result:
        from preimage.jobs.evaluate.run import run

        return run(self, context)
