"""analyze-codes: where the codes of a generator disagree with its prior (flexible-priors, 4.1, 4.2, D)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from preimage.config import PositiveInt
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.errors import GeneratorError, PreimageError, StoreError
from preimage.jobs.analyze_codes.figures import (
    SampleBlock,
    TsneMap,
    disagreement_png,
    spectra_png,
    tsne_png,
)
from preimage.jobs.analyze_codes.report import AnalyzeCodesReport, PriorSamples, Separation, prefix
from preimage.jobs.base import Context, Job, Metrics, Result, headline, others
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.named_images import open_images
from preimage.jobs.published import ANALYZE_CODES, CLUSTER_RATIOS, PaperSettings
from preimage.jobs.references import GeneratorRef, StoreRef
from preimage.jobs.sampling import draw_codes, make_images
from preimage.latents.priors import Normal
from preimage.latents.schema import Codes, concatenate
from preimage.latents.store import Store
from preimage.metrics.clusters import ClassRatios, chance_ratios, class_ratios, tsne
from preimage.metrics.disagreement import Distance, distances
from preimage.metrics.pag import PagError, PagResult, normal_pag, store_pag
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card

MIN_CODES = 30
"""A map needs at least so many codes."""
MAP_TITLES = {
    "untrained": "before training, BatchNorm initial",
    "settled": "before training, BatchNorm settled",
    "trained": "trained generator",
}
NO_IMAGES = "The store's images are not known, or no longer here: classes are those that it has itself."
NO_GENERATOR = "No generator is given: codes are compared with N(0, I), and samples are not shown."
DISTANCE_TO = {
    "nearest": "the nearest found code",
    "mean": "all found codes (RMS)",
}


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

    def metrics(self) -> Metrics:
        """The outcome has no ratios where the images have no classes, and no PAG where it is not finite.
        `normal_pag` is that of codes drawn from the prior."""
        stores = [prefix(name) for name in self._keys]
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

    def run(self, context: Context) -> Result:
        """Draw the three figures, and make a table beside what the paper prints.

        What the generator or the images are needed for is left out without them, and the table says so.
        Raises StoreError, DataError or GeneratorError where generator, codes and images do not fit together.
        """
        folder = context.inputs.get("generator")
        card = read_card(folder) if folder else None
        if card:
            self.check_generator(card.generator)
        stores = self._stores(context, card)
        dataset = self._dataset(context, card, stores)
        first = {name: first_codes(store, self.codes) for name, store in stores.items()}
        spectra, infinite = _spectra(stores, self.seed)
        maps = {name: tsne_map(codes, self.seed) for name, codes in first.items()}
        ranked = self._ranked_samples(stores["trained"])
        titles = MAP_TITLES if folder else MAP_TITLES | {"trained": "codes"}
        named = dataset.classes if dataset else stores["trained"].about.classes
        figures = {"tsne.png": tsne_png({titles[name]: each for name, each in maps.items()}, named)}
        if folder:
            figures["disagreement.png"] = self._disagreement(load_generator(folder)[0], ranked)
        if spectra:
            figures["spectrum.png"] = spectra_png(spectra)
        classes = {name: _separation(maps[name], codes) for name, codes in first.items()}
        remarks = [
            CLUSTER_RATIOS.images.remark(dataset.config) if dataset else NO_IMAGES,
            self.paper.remark(self, card) if card else NO_GENERATOR,
            infinite,
        ]
        own, remark = "trained" if folder else "given", " ".join(filter(None, remarks))
        report = AnalyzeCodesReport(classes, spectra, ranked, self.distance, own, remark)
        return Result(report.metrics(), figures, report.table())

    def _dataset(
        self, context: Context, card: GeneratorCard | None, stores: Mapping[str, Store]
    ) -> Dataset | None:
        """The images of all stores; None if none are named. Raises StoreError for stores of others."""
        if card and (self.data or stores["trained"].about.dataset):
            dataset = context.dataset(images_for(card, self.data))
        elif self.data:
            dataset = context.dataset(self.data)
        else:
            try:
                dataset = open_images(stores["trained"].about.dataset)
            except PreimageError:
                return None
        for store in stores.values():
            require_images_of(dataset, store)
        return dataset

    @property
    def _keys(self) -> dict[str, str]:
        """The keys of the stores that are given, by what the report calls them."""
        others = {key: key for key in ("untrained", "settled") if getattr(self, key)}
        return others | {"trained": "store"}

    def _stores(self, context: Context, card: GeneratorCard | None) -> dict[str, Store]:
        """The stores by what the report calls them. Raises StoreError for codes of another generator."""
        stores = {name: Store.open(context.inputs[key]) for name, key in self._keys.items()}
        if card:
            require_codes_of(card, stores["trained"])
        require_comparable(stores)
        return stores

    def _ranked_samples(self, store: Store) -> dict[str, PriorSamples]:
        samples = draw_codes(Normal(store.latent_dim), self.samples, self.seed)
        found = (codes.z for codes in valid_codes(store, self.against))
        return rank(samples, distances(samples, found, self.distance), self.shown)

    def _disagreement(self, generator: nn.Module, ranked: Mapping[str, PriorSamples]) -> bytes:
        """The images of the farthest samples and of the nearest."""
        blocks = {
            f"The {self.shown} {name} of {self.samples:,} samples": SampleBlock(
                make_images(generator, ranked[name].codes),
                ranked[name].distances,
                ranked[name].log_likelihoods,
            )
            for name in ("farthest", "nearest")
        }
        return disagreement_png(blocks, DISTANCE_TO[self.distance])


def _spectra(stores: Mapping[str, Store], seed: int) -> tuple[dict[str, PagResult], str]:
    """How the codes of each store spread, and as many normal ones; or none, and why."""
    try:
        found = {name: store_pag(store, std=1.0) for name, store in stores.items()}
    except PagError as error:
        return {}, f"No spectrum and no PAG: {error}."
    return found | {"normal": normal_pag(stores["trained"].latent_dim, found["trained"].count, seed)}, ""


def require_comparable(stores: Mapping[str, Store]) -> None:
    """Raise StoreError where the codes have another size or prior than the trained generator's."""
    kinds = {name: (store.latent_dim, store.about.prior) for name, store in stores.items()}
    for name, kind in kinds.items():
        if kind != kinds["trained"]:
            (dim, prior), (wanted, other) = kind, kinds["trained"]
            raise StoreError(
                f"{stores[name].folder.uri} holds codes of {dim} components with a {prior} prior, the "
                f"trained generator's have {wanted} and a {other} one: give codes of a generator like it"
            )


def valid_codes(store: Store, count: int) -> Iterator[Codes]:
    """The first `count` codes of a store, with labels; skips those of images that diverged."""
    left = count
    for codes in store.without_diverged(("z", "label")):
        kept = codes[:left]
        left -= len(kept)
        yield kept
        if not left:
            return


def first_codes(store: Store, count: int) -> Codes:
    """The first `count` valid codes of a store. Raises StoreError where they are too few for a map."""
    codes = concatenate(list(valid_codes(store, count)))
    if len(codes) < MIN_CODES:
        raise StoreError(
            f"{store.folder.uri} holds {len(codes)} codes of images that did not diverge, a map needs at "
            f"least {MIN_CODES}: invert more images"
        )
    return codes


def tsne_map(codes: Codes, seed: int) -> TsneMap:
    """The map of codes, and how far apart their classes lie in it."""
    points = tsne(codes.z, seed)
    return TsneMap(points, codes.label, class_ratios(points, codes.label))


def rank(samples: Tensor, found: Tensor, shown: int) -> dict[str, PriorSamples]:
    """The farthest samples, farthest first, the nearest, nearest first, and all, farthest first.

    samples: (n, d); found: (n,), their distances to the codes.
    """
    order = found.argsort(descending=True, stable=True)
    rows = {"farthest": order[:shown], "nearest": order.flip(0)[:shown], "all": order}
    likelihoods = Normal(samples.shape[1]).log_density(samples)
    return {name: PriorSamples(samples[some], found[some], likelihoods[some]) for name, some in rows.items()}


def _separation(found: TsneMap, codes: Codes) -> Separation:
    in_codes, by_chance = class_ratios(codes.z, codes.label), chance_ratios(codes.label)
    return Separation(found.ratios, in_codes, by_chance, len(codes))
