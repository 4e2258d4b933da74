"""analyze-codes: how it runs."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from preimage.data.dataset import Dataset
from preimage.errors import PreimageError, StoreError
from preimage.jobs.analyze_codes.figures import (
    SampleBlock,
    TsneMap,
    disagreement_png,
    spectra_png,
    tsne_png,
)
from preimage.jobs.analyze_codes.job import MIN_CODES, AnalyzeCodesJob
from preimage.jobs.analyze_codes.page import Opened, map_page
from preimage.jobs.analyze_codes.report import AnalyzeCodesReport, PriorSamples, Separation
from preimage.jobs.base import Context, Result
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.named_images import open_images
from preimage.jobs.published import CLUSTER_RATIOS
from preimage.jobs.sampling import draw_codes, make_images
from preimage.latents.priors import Normal
from preimage.latents.schema import Codes, concatenate
from preimage.latents.store import Store
from preimage.metrics.clusters import chance_ratios, class_ratios, tsne
from preimage.metrics.disagreement import distances
from preimage.metrics.pag import PagResult, normal_pag, store_pag
from preimage.metrics.prior_std import PagError
from preimage.models.cards import GeneratorCard, read_card
from preimage.models.generator_folder import load_generator

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


def run(job: AnalyzeCodesJob, context: Context) -> Result:
    """Draw the three figures, make a table beside what the paper prints, and a map to look into.

    What the generator or the images are needed for is left out without them, and the table says so.
    Raises StoreError, DataError or GeneratorError where generator, codes and images do not fit together.
    """
    folder = context.inputs.get("generator")
    card = read_card(folder) if folder else None
    if card:
        job.check_generator(card.generator)
    stores = _stores(job, context, card)
    dataset = _dataset(job, context, card, stores)
    first = {name: first_codes(store, job.codes) for name, store in stores.items()}
    spectra, infinite = _spectra(stores, job.seed)
    maps = {name: tsne_map(codes, job.seed) for name, codes in first.items()}
    ranked = _ranked_samples(job, stores["trained"])
    generator = load_generator(folder)[0] if folder else None
    titles = MAP_TITLES if folder else MAP_TITLES | {"trained": "codes"}
    named = dataset.classes if dataset else stores["trained"].about.classes
    figures = {"tsne.png": tsne_png({titles[name]: each for name, each in maps.items()}, named)}
    if generator:
        figures["disagreement.png"] = _disagreement(job, generator, ranked)
    if spectra:
        figures["spectrum.png"] = spectra_png(spectra)
    classes = {name: _separation(maps[name], codes) for name, codes in first.items()}
    remarks = [
        CLUSTER_RATIOS.images.remark(dataset.config) if dataset else NO_IMAGES,
        job.paper.remark(job, card) if card else NO_GENERATOR,
        infinite,
    ]
    opened = Opened(stores["trained"], generator, card, folder, dataset, context.run)
    pages, without = map_page(opened, first["trained"], maps["trained"].points)
    remarks.append(without)
    own, remark = "trained" if folder else "given", " ".join(filter(None, remarks))
    report = AnalyzeCodesReport(classes, spectra, ranked, job.distance, own, remark)
    return Result(report.metrics(), figures, report.table(), pages)


def _dataset(
    job: AnalyzeCodesJob, context: Context, card: GeneratorCard | None, stores: Mapping[str, Store]
) -> Dataset | None:
    """The images of all stores; None if none are named. Raises StoreError for stores of others."""
    if card and (job.data or stores["trained"].about.dataset):
        dataset = context.dataset(images_for(card, job.data))
    elif job.data:
        dataset = context.dataset(job.data)
    else:
        try:
            dataset = open_images(stores["trained"].about.dataset)
        except PreimageError:
            return None
    for store in stores.values():
        require_images_of(dataset, store)
    return dataset


def _stores(job: AnalyzeCodesJob, context: Context, card: GeneratorCard | None) -> dict[str, Store]:
    """The stores by what the report calls them. Raises StoreError for codes of another generator."""
    stores = {name: Store.open(context.inputs[key]) for name, key in job.store_keys.items()}
    if card:
        require_codes_of(card, stores["trained"])
    require_comparable(stores)
    return stores


def _ranked_samples(job: AnalyzeCodesJob, store: Store) -> dict[str, PriorSamples]:
    samples = draw_codes(Normal(store.latent_dim), job.samples, job.seed)
    found = (codes.z for codes in valid_codes(store, job.against))
    return rank(samples, distances(samples, found, job.distance), job.shown)


def _disagreement(job: AnalyzeCodesJob, generator: nn.Module, ranked: Mapping[str, PriorSamples]) -> bytes:
    """The images of the farthest samples and of the nearest."""
    blocks = {
        f"The {job.shown} {name} of {job.samples:,} samples": SampleBlock(
            make_images(generator, ranked[name].codes),
            ranked[name].distances,
            ranked[name].log_likelihoods,
        )
        for name in ("farthest", "nearest")
    }
    return disagreement_png(blocks, DISTANCE_TO[job.distance])


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
