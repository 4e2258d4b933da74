"""analyze-codes: where the codes of a generator disagree with its prior (flexible-priors, 4.1, 4.2, D)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from preimage.config import PositiveInt
from preimage.data.config import DataConfig
from preimage.errors import GeneratorError, StoreError
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.published import ANALYZE_CODES, PaperSettings
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.latents.store import Store
from preimage.metrics.clusters import ClassRatios
from preimage.metrics.disagreement import Distance
from preimage.models.config import GeneratorConfig

MIN_CODES = 30
"""A map needs at least so many codes."""


class AnalyzeCodesJob(Job):
    """Show where the codes of a generator disagree with its normal prior: classes that lie apart, samples far
    from every code, and how the codes spread. It runs in this process, whatever the backend."""

    job: Literal["analyze-codes"] = "analyze-codes"
    generator: GeneratorRef | None = None
    """An earlier step, a run's name or a generator folder. Without it, as for imported codes of none, samples
    are ordered but not shown."""
    store: StoreRef
    """The codes of its images: an earlier step, a run's name or a latent store's folder."""
    untrained: StoreRef | None = None
    """The codes of the same images through a generator that was never trained, to compare with: for figure 2,
    one of init-generator with batchnorm=initial."""
    settled: StoreRef | None = None
    """Those through the same one with batchnorm=settled: the paper does not say which."""
    data: DataConfig | None = None
    """The images that the codes stand for; without it those that the generator was trained on."""
    codes: Annotated[int, Field(ge=MIN_CODES)] = 1024
    """The first codes of each store, shown in a t-SNE map; fewer where the store holds fewer."""
    samples: PositiveInt = 1000
    """Samples of the prior, ordered by their distance to the codes."""
    shown: PositiveInt = 20
    """How many of the farthest samples to show, and as many of the nearest."""
    distance: Distance = "nearest"
    """To the nearest found code; or `mean`, the paper's mean squared distance to all, which orders samples as
    their distance from the codes' mean does and sees no gap between codes."""
    against: PositiveInt = 10_000
    """The first codes of the store, to which distances are measured."""

    @model_validator(mode="after")
    def _farthest_and_nearest_apart(self) -> "AnalyzeCodesJob":
        if 2 * self.shown > self.samples:
            raise ValueError(
                f"the {self.shown} farthest and the {self.shown} nearest of {self.samples} samples overlap: "
                f"shown must be at most {self.samples // 2}"
            )
        return self

    @property
    def packages(self) -> tuple[str, ...]:
        return ("scikit-learn",)

    def metrics(self) -> Metrics:
        """The outcome has no ratios where the images have no classes, and no PAG where it is not finite.
        `normal_pag` is that of codes drawn from the prior."""
        stores = [prefix(name) for name in self.store_keys]
        first = headline(*(f"{store}scatter_ratio" for store in stores), may_be_absent=True)
        second = headline(*(f"{store}pag" for store in stores), may_be_absent=True)
        named = [
            f"{kind}_ratio{place}" for kind in ClassRatios._fields for place in ("", "_codes", "_chance")
        ]
        ratios = [f"{store}{name}" for store in stores for name in named if name != "scatter_ratio"]
        counts = [f"{store}codes" for store in stores]
        ends = ("distance", "log_likelihood")
        samples = [f"{name}_{end}" for name in ("farthest", "nearest", "all") for end in ends]
        return (
            *first,
            *second,
            *others(*ratios, "normal_pag", may_be_absent=True),
            *others(*counts, *samples),
        )

    def cost(self, images: int | None) -> dict[str, int]:
        return {"codes in a map": self.codes, "distances": self.samples * self.against}

    @property
    def paper(self) -> PaperSettings:
        return ANALYZE_CODES

    def check_generator(self, generator: GeneratorConfig) -> None:
        if generator.prior != "normal":
            raise GeneratorError(
                "codes are compared with samples of N(0, I), but this generator's prior is "
                f"{generator.prior}: give one trained with model.prior=normal"
            )

    def check_store(self, store: Store) -> None:
        if not self.generator and store.about.prior not in (None, "normal"):
            raise StoreError(
                f"codes are compared with samples of N(0, I), but the prior of {store.folder.uri} is "
                f"{store.about.prior}: give codes of a normal prior"
            )

    @property
    def own_data(self) -> DataConfig | None:
        return self.data

    @property
    def store_keys(self) -> dict[str, str]:
        """The keys of the stores that are given, by what the report calls them."""
        others = {key: key for key in ("untrained", "settled") if getattr(self, key)}
        return others | {"trained": "store"}

    def run(self, context: Context) -> Result:
        from preimage.jobs.analyze_codes.run import run

        return run(self, context)


def prefix(name: str) -> str:
    """What the names of a store's metrics begin with."""
    return "" if name == "trained" else f"{name}_"
