"""examine: where the codes of a generator disagree with its prior (flexible-priors, 4.1, 4.2, D)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from preimage.config import PositiveInt
from preimage.data.config import DataConfig
from preimage.errors import GeneratorError, StoreError
from preimage.jobs.analyze_codes.figures import Mapped, Picked, disagreement_png, spectra_png, tsne_png
from preimage.jobs.analyze_codes.report import Chosen, Ratios, Report
from preimage.jobs.compatibility import images_for, require_codes_of, require_images_of
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.sampling import draw_codes, make_images
from preimage.latents.priors import Normal
from preimage.latents.schema import Codes, concatenate
from preimage.latents.store import Store
from preimage.metrics.clusters import chance_ratio, cluster_ratio, tsne
from preimage.metrics.disagreement import Distance, distances, log_likelihood
from preimage.metrics.pag import PagResult, pag, store_pag
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import load_generator, read_card
from preimage.work.reproducible import seed_of

HEADLINE = ("cluster_ratio", "untrained_cluster_ratio", "pag", "untrained_pag")

FEWEST = 30
"""Codes that a map is made of at least."""
ROWS = 8192
"""Normal codes in memory at a time."""
TITLES = {"untrained": "generator before its training", "trained": "trained generator"}
TO = {
    "nearest": "the nearest found code",
    "mean": "all found codes (RMS)",
}
_NORMAL = 1  # unlike what samples are drawn by


class ExamineConfig(JobConfig):
    """Show where the codes of a generator disagree with its normal prior: classes that lie apart, samples far
    from every code, and how the codes spread. It runs in this process, whatever the backend."""

    NEEDS: ClassVar[dict[str, Product]] = {"generator": "generator", "store": "store"}

    job: Literal["analyze-codes"] = "analyze-codes"
    generator: str
    """An earlier step, a run's name or a generator folder."""
    store: str
    """The codes of its images: an earlier step, a run's name or a latent store's folder."""
    untrained: str | None = None
    """The codes of the same images through a generator that was never trained, to compare with."""
    data: DataConfig | None = None
    """The images that the codes stand for; without it those that the generator was trained on."""
    codes: Annotated[int, Field(ge=FEWEST)] = 1024
    """The first codes of each store, of which a t-SNE map is made; fewer where it holds fewer."""
    samples: PositiveInt = 1000
    """Samples of the prior that are ordered by their distance to the codes."""
    shown: PositiveInt = 20
    """The farthest of them that are shown, and as many of the nearest."""
    distance: Distance = "nearest"
    """To the nearest found code; or `mean`, the paper's mean squared distance to all, which orders samples as
    their distance from the codes' mean does and sees no gap between codes."""
    against: PositiveInt = 10_000
    """The first codes of the store, to which distances are measured."""

    @model_validator(mode="after")
    def _farthest_and_nearest_apart(self) -> "ExamineConfig":
        if 2 * self.shown > self.samples:
            raise ValueError(
                f"the {self.shown} farthest and the {self.shown} nearest of {self.samples} samples overlap: "
                f"shown must be at most {self.samples // 2}"
            )
        return self

    def needs(self) -> dict[str, tuple[str, Product]]:
        more: dict[str, tuple[str, Product]] = (
            {"untrained": (self.untrained, "store")} if self.untrained else {}
        )
        return super().needs() | more

    def require_usable(self, generator: GeneratorConfig) -> None:
        if generator.prior != "normal":
            raise GeneratorError(
                "codes are compared with samples of N(0, I), but this generator's prior is "
                f"{generator.prior}: give one trained with model.prior=normal"
            )


def cost(config: ExamineConfig, images: int | None) -> dict[str, int]:
    return {"codes in a map": config.codes, "distances": config.samples * config.against}


def run(config: ExamineConfig, context: Context) -> Result:
    """Leave the three pictures, and a table beside what the paper prints.

    Raises StoreError, DataError or GeneratorError where generator, codes and images do not belong together.
    """
    folder = context.inputs["generator"]
    card = read_card(folder)
    config.require_usable(card.generator)
    keys = {"untrained": "untrained", "trained": "store"} if config.untrained else {"trained": "store"}
    stores = {name: Store.open(context.inputs[key]) for name, key in keys.items()}
    require_codes_of(card, stores["trained"])
    require_comparable(stores)
    dataset = context.dataset(images_for(card, config.data))
    for store in stores.values():
        require_images_of(dataset, store)
    first = {name: first_codes(store, config.codes) for name, store in stores.items()}
    spectra = {name: store_pag(store, std=1.0) for name, store in stores.items()}
    spectra["normal"] = _normal_pag(spectra["trained"], config.seed)
    maps = {name: mapped(codes, config.seed) for name, codes in first.items()}
    samples = draw_codes(Normal(card.generator.latent_dim), config.samples, config.seed)
    found = (codes.z for codes in sound(stores["trained"], config.against))
    picked = pick(samples, distances(samples, found, config.distance), config.shown)
    pictures = {
        "tsne.png": tsne_png({TITLES[name]: each for name, each in maps.items()}, dataset.classes),
        "disagreement.png": _disagreement(config, load_generator(folder)[0], picked),
        "spectrum.png": spectra_png(spectra),
    }
    ratios = {name: _ratios(maps[name], codes) for name, codes in first.items()}
    report = Report(ratios, spectra, picked, TO[config.distance])
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    return Result(report.metrics(), ("table.md", *pictures))


def require_comparable(stores: Mapping[str, Store]) -> None:
    """Raise StoreError where stores are of codes of another size or prior than the trained generator's."""
    kinds = {name: (store.latent_dim, store.about.prior) for name, store in stores.items()}
    for name, kind in kinds.items():
        if kind != kinds["trained"]:
            (dim, prior), (wanted, other) = kind, kinds["trained"]
            raise StoreError(
                f"{stores[name].folder.uri} holds codes of {dim} components with a {prior} prior, the "
                f"trained generator's have {wanted} and a {other} one: give codes of a generator like it"
            )


def sound(store: Store, most: int) -> Iterator[Codes]:
    """The first codes, labels and losses of a store, those of images that diverged left out."""
    left = most
    for codes in store.batches(("z", "label", "loss")):
        kept = codes[~codes.diverged][:left]
        left -= len(kept)
        yield kept
        if not left:
            return


def first_codes(store: Store, most: int) -> Codes:
    """The first codes of a store. Raises StoreError where there are too few of them for a map."""
    found = concatenate(list(sound(store, most)))
    if len(found) < FEWEST:
        raise StoreError(
            f"{store.folder.uri} holds {len(found)} codes of images that did not diverge, a map needs at "
            f"least {FEWEST}: invert more images"
        )
    return found


def mapped(codes: Codes, seed: int) -> Mapped:
    """The map of codes, and how far their classes lie apart there."""
    points = tsne(codes.z, seed)
    return Mapped(points, codes.label, cluster_ratio(points, codes.label))


def pick(samples: Tensor, far: Tensor, shown: int) -> dict[str, Chosen]:
    """The farthest samples first, the nearest, and all; samples: (n, d), far: (n,), their distances."""
    order = far.argsort(descending=True, stable=True)
    rows = {"farthest": order[:shown], "nearest": order.flip(0)[:shown], "all": order}
    likelihoods = log_likelihood(samples)
    return {name: Chosen(samples[some], far[some], likelihoods[some]) for name, some in rows.items()}


def _ratios(found: Mapped, codes: Codes) -> Ratios:
    in_codes, by_chance = cluster_ratio(codes.z, codes.label), chance_ratio(codes.label)
    return Ratios(found.ratio, in_codes, by_chance, len(codes))


def _normal_pag(found: PagResult, seed: int) -> PagResult:
    """Of codes drawn from the prior, as many as were found."""
    random = torch.Generator().manual_seed(seed_of(seed, _NORMAL))
    prior, left = Normal(len(found.singular_values)), found.count
    starts = range(0, left, ROWS)
    return pag((prior.sample(min(ROWS, left - start), random) for start in starts), std=1.0)


def _disagreement(config: ExamineConfig, generator: nn.Module, picked: Mapping[str, Chosen]) -> bytes:
    """The images of the farthest samples and of the nearest."""
    blocks = {
        f"The {config.shown} {name} of {config.samples:,} samples": Picked(
            make_images(generator, picked[name].codes), picked[name].distances, picked[name].log_likelihoods
        )
        for name in ("farthest", "nearest")
    }
    return disagreement_png(blocks, TO[config.distance])
