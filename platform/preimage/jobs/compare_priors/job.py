"""compare-priors: how near several priors come to the codes of images that none of them was fitted to."""

from collections.abc import Iterator
from statistics import fmean, pstdev
from typing import Annotated, Literal

from pydantic import Field, field_validator
from torch import Tensor

from preimage.config import PositiveInt
from preimage.errors import PreimageError, PriorError, StoreError
from preimage.jobs.compare_priors.figures import codes_png, distances_png
from preimage.jobs.compare_priors.report import DISTANCES, LIKELIHOODS, TRAINING, Report, Row, Spread
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.row_names import require_plain
from preimage.jobs.sampling import draw_codes
from preimage.latents.held_out import Split, likelihood
from preimage.latents.priors import PRIORS, Dense, make_prior
from preimage.latents.statistics import Moments
from preimage.latents.store import Store
from preimage.metrics.distances import energy_distance
from preimage.metrics.scores import frechet_distance
from preimage.models.prior_folder import PriorCard, load_fitted, read_prior_card
from preimage.storage.folder import Folder
from preimage.work.reproducible import prepare_process, seed_of

HEADLINE = ("nearest", "likeliest")


class ComparePriorsConfig(JobConfig):
    """Compare priors by how likely they make held-out codes, and how far their draws are from these."""

    job: Literal["compare-priors"] = "compare-priors"
    store: str
    """The codes, to which the fitted priors were fitted: a step, a run's name or a store's folder."""
    priors: Annotated[dict[str, str], Field(min_length=1)]
    """Names as they are to stand in the table, each with the step, run or folder that leaves a fitted prior.
    `normal` and `uniform` are the fixed priors of these names, never a step or a run."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of the images, chosen by image_id alone; every prior must have held out as much, or more."""
    draws: Annotated[int, Field(ge=2)] = 5000
    """Held-out codes that are compared at most, with as many draws of each prior."""
    repeats: PositiveInt = 5
    """How often these are drawn."""

    @field_validator("priors")
    @classmethod
    def _names_are_plain(cls, priors: dict[str, str]) -> dict[str, str]:
        require_plain(priors, "a prior")
        if TRAINING in priors:
            raise ValueError(f"{TRAINING!r} is a row of its own in the table: name the prior otherwise")
        return priors

    def needs(self) -> dict[str, tuple[str, Product]]:
        asked: dict[str, tuple[str, Product]] = {"store": (self.store, "store")}
        for name, given in self.priors.items():
            if given not in PRIORS:
                asked[f"priors.{name}"] = (given, "prior")
        return asked


def cost(config: ComparePriorsConfig, images: int | None) -> dict[str, int]:
    return {"codes drawn at most": config.draws * config.repeats * len(config.priors)}


def reported(config: ComparePriorsConfig) -> tuple[str, ...]:
    """The numbers of an outcome; a likelihood is null where there is none."""
    of_priors = tuple(f"{each}.{name}" for each in LIKELIHOODS for name in config.priors)
    of_rows = tuple(f"{each}.{name}" for each in DISTANCES for name in (*config.priors, TRAINING))
    return ("codes", "repeats", *of_priors, *of_rows)


def run(config: ComparePriorsConfig, context: Context) -> Result:
    """Check that all priors are of these codes, then measure each, and training codes as what is possible.

    Raises PriorError for a prior of another store or dimension, or one that has seen codes that are to be
    held out, StoreError where these are too few.
    """
    prepare_process(context.resources.cpus_per_worker)
    store = Store.open(context.inputs["store"])
    priors = {name: _open(name, given, config, context, store) for name, given in config.priors.items()}
    split = Split(store, config.held_out)
    codes = split.some(config.draws, held_out=True)
    if len(codes) < 2:
        raise StoreError(
            f"held_out={config.held_out} holds {len(codes)} of {store.count:,} codes out: ask for more, here "
            "and of the priors"
        )
    advance = context.show("comparing priors")
    rows: dict[str, Row] = {}
    for name, prior in priors.items():
        advance(len(rows), len(priors) + 1)
        drawn = (_draw(prior, len(codes), config.seed, i) for i in range(config.repeats))
        rows[name] = Row(*_distances(codes, drawn), likelihood(prior, split.held_out()))
    rows[TRAINING] = Row(*_distances(codes, _blocks(split, len(codes), config.repeats)))
    advance(len(rows), len(rows))
    return _leave(Report(rows, len(codes), config.repeats), priors, codes, config, context)


def _leave(
    report: Report, priors: dict[str, Dense], codes: Tensor, config: ComparePriorsConfig, context: Context
) -> Result:
    drawn = {name: _draw(priors[name], len(codes), config.seed, 0) for name in report.rows if name in priors}
    energies = {name: row.energy for name, row in report.rows.items()}
    pictures = {
        "distances.png": distances_png({name: energies[name] for name in drawn}, energies[TRAINING]),
        "codes.png": codes_png(codes, drawn),
    }
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    return Result(report.metrics(), ("table.md", *pictures))


def _open(name: str, given: str, config: ComparePriorsConfig, context: Context, store: Store) -> Dense:
    """A prior of the store's codes. Raises PriorError, with its name, where it is of others."""
    if given in PRIORS:
        return make_prior(given, store.latent_dim)
    folder = context.inputs[f"priors.{name}"]
    try:
        _require_prior_of(read_prior_card(folder), folder, store, config.held_out)
        return load_fitted(folder)
    except PriorError as error:
        raise PriorError(f"{name}: {error}") from error


def _require_prior_of(card: PriorCard, folder: Folder, store: Store, held_out: float) -> None:
    """Raise PriorError where a prior is not one of these codes, or has seen some that are to be held out."""
    if card.latent_dim != store.latent_dim:
        raise PriorError(
            f"{folder.uri} is a prior of {card.latent_dim} components, the codes in {store.folder.uri} have "
            f"{store.latent_dim}: fit one to these"
        )
    if card.training.get("store") != store.fingerprint:
        raise PriorError(
            f"{folder.uri} was fitted to another store than {store.folder.uri}: fit one to this, or compare "
            "with the codes it was fitted to"
        )
    kept = card.training.get("held_out", 0)
    if kept < held_out:
        raise PriorError(
            f"{folder.uri} was fitted with held_out={kept}, so that it has seen codes that are to be held "
            f"out by held_out={held_out}: ask for {kept or 'less'} here, or fit it with held_out={held_out}"
        )


def _draw(prior: Dense, count: int, seed: int, repeat: int) -> Tensor:
    return draw_codes(prior, count, seed_of(seed, repeat))


def _blocks(split: Split, count: int, repeats: int) -> Iterator[Tensor]:
    """Training codes, `count` at a time: others each time, as far as there are as many."""
    z = split.some(count * repeats, held_out=False)
    if len(z) < 2:
        raise PreimageError("fewer than two codes are not held out: ask for a smaller held_out")
    count = min(count, len(z))
    for i in range(repeats):
        yield z.roll(-i * count, 0)[:count]


def _distances(codes: Tensor, others: Iterator[Tensor]) -> tuple[Spread, Spread]:
    """Energy and Fréchet distance of held-out codes (n, d) from each of several sets."""
    held_out, energies, frechets = _moments(codes), [], []
    for z in others:
        energies.append(energy_distance(codes, z))
        frechets.append(frechet_distance(held_out, _moments(z)))
    return Spread(fmean(energies), pstdev(energies)), Spread(fmean(frechets), pstdev(frechets))


def _moments(z: Tensor) -> Moments:
    return Moments.empty(z.shape[1]).update(z)
