"""compare-priors: how it runs."""

from collections.abc import Iterator
from statistics import fmean, pstdev

from torch import Tensor

from preimage.errors import PreimageError, PriorError, StoreError
from preimage.jobs.base import Context, Result
from preimage.jobs.compare_priors.figures import codes_png, distances_png
from preimage.jobs.compare_priors.job import ComparePriorsJob
from preimage.jobs.compare_priors.report import (
    TRAINING,
    ComparePriorsReport,
    PriorRow,
    Spread,
)
from preimage.jobs.references import PriorRef
from preimage.jobs.sampling import draw_codes
from preimage.latents.held_out import Split, likelihood
from preimage.latents.priors import Dense, make_prior
from preimage.latents.statistics import Moments
from preimage.latents.store import Store
from preimage.metrics.distances import energy_distance
from preimage.metrics.scores import frechet_distance
from preimage.models.cards import PriorCard, read_prior_card
from preimage.models.prior_folder import load_fitted
from preimage.random_streams import Stream
from preimage.storage.folder import Folder


def run(job: ComparePriorsJob, context: Context) -> Result:
    """Check that all priors are of these codes, then measure each, and training codes as the floor.

    Raises PriorError for a prior of another store or dimension, or one that has seen codes that this job
    holds out, StoreError where these are too few.
    """
    store = Store.open(context.inputs["store"])
    priors = {name: _open(job, name, context, store) for name in job.priors}
    split = Split(store, job.held_out)
    codes = _held_out_codes(job, split)
    advance = context.progress("comparing priors")
    rows: dict[str, PriorRow] = {}
    for name, prior in priors.items():
        advance(len(rows), len(priors) + 1)
        drawn = (_draw(job, prior, len(codes), repeat) for repeat in range(job.repeats))
        rows[name] = PriorRow(*_distances(codes, drawn), likelihood(prior, split.held_out()))
    rows[TRAINING] = PriorRow(*_distances(codes, _blocks(split, len(codes), job.repeats)))
    advance(len(rows), len(rows))
    report = ComparePriorsReport(rows, len(codes), job.repeats)
    return Result(report.metrics(), _figures(job, report, priors, codes), report.table())


def _held_out_codes(job: ComparePriorsJob, split: Split) -> Tensor:
    """Codes (n, d) that no prior was fitted to. Raises StoreError for fewer than two."""
    codes = split.some(job.draws, held_out=True)
    if len(codes) < 2:
        raise StoreError(
            f"held_out={job.held_out} holds {len(codes)} of {split.store.count:,} codes out: raise it here "
            "and for the priors"
        )
    return codes


def _figures(
    job: ComparePriorsJob, report: ComparePriorsReport, priors: dict[str, Dense], codes: Tensor
) -> dict[str, bytes]:
    drawn = {name: _draw(job, priors[name], len(codes), 0) for name in report.rows if name in priors}
    energies = {name: row.energy for name, row in report.rows.items()}
    return {
        "distances.png": distances_png({name: energies[name] for name in drawn}, energies[TRAINING]),
        "codes.png": codes_png(codes, drawn),
    }


def _open(job: ComparePriorsJob, name: str, context: Context, store: Store) -> Dense:
    """A prior of the store's codes. Raises PriorError, with its name, where it is of others."""
    given = job.priors[name]
    if not isinstance(given, PriorRef):
        return make_prior(given, store.latent_dim)
    folder = context.inputs[f"priors.{name}"]
    try:
        _require_prior_of(read_prior_card(folder), folder, store, job.held_out)
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
            f"{folder.uri} was fitted to another store than {store.folder.uri}: fit one to this store, or "
            "compare with the codes it was fitted to"
        )
    kept = card.training.get("held_out", 0)
    if kept < held_out:
        raise PriorError(
            f"{folder.uri} was fitted with held_out={kept}, so it has seen codes that held_out={held_out} "
            f"holds out: ask for {kept or 'less'} here, or fit it with held_out={held_out}"
        )


def _draw(job: ComparePriorsJob, prior: Dense, count: int, repeat: int) -> Tensor:
    return draw_codes(prior, count, Stream.REPEATS.seed(job.seed, repeat))


def _blocks(split: Split, count: int, repeats: int) -> Iterator[Tensor]:
    """Training codes, `count` at a time: others each time, as far as there are enough."""
    z = split.some(count * repeats, held_out=False)
    if len(z) < 2:
        raise PreimageError("fewer than two codes are not held out: lower held_out")
    count = min(count, len(z))
    for i in range(repeats):
        yield z.roll(-i * count, 0)[:count]


def _distances(codes: Tensor, sets: Iterator[Tensor]) -> tuple[Spread, Spread]:
    """Energy and Fréchet distance of held-out codes (n, d) from each of several sets."""
    held_out, energies, frechets = _moments(codes), [], []
    for z in sets:
        energies.append(energy_distance(codes, z))
        frechets.append(frechet_distance(held_out, _moments(z)))
    return Spread(fmean(energies), pstdev(energies)), Spread(fmean(frechets), pstdev(frechets))


def _moments(z: Tensor) -> Moments:
    return Moments.empty(z.shape[1]).update(z)
