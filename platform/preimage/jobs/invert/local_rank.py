"""Are the codes found determined at all? Measured at some of them, and at as many draws of the prior."""

import logging
from dataclasses import dataclass
from typing import NamedTuple

import torch

from preimage.inversion.jacobian import NoJacobianError
from preimage.inversion.labels import classes_of
from preimage.inversion.local_rank import rank_eigenvalues
from preimage.jobs.base import Context
from preimage.latents.local_rank import LocalRank, local_rank
from preimage.latents.schema import Codes, concatenate
from preimage.latents.store import Store
from preimage.models.generator_folder import load_generator, load_prior
from preimage.storage.folder import Folder
from preimage.work.trials import Results

log = logging.getLogger(__name__)


class RankSample(NamedTuple):
    """What was measured, and the eigenvalues (n, d) it sums up, of `found` and `prior`."""

    rank: LocalRank
    eigenvalues: Results


def measure_local_rank(
    context: Context, store: Store, generator: Folder, count: int, seed: int
) -> RankSample | None:
    """At the first codes of the store that did not diverge, in a worker of the job. None, and said, if the
    Jacobian does not exist."""
    codes = _first_codes(store, count)
    if not len(codes):
        return None
    try:
        trials = {"local-rank": codes}
        found = context.on_one_worker().run_trials(
            trials, RankTrial(generator, seed), "measuring the local rank"
        )["local-rank"]
    except NoJacobianError as error:
        log.warning("%s: whether the codes are determined is not known.", error)
        return None
    if not all(map(len, found.values())):
        log.warning(
            "the generator's Jacobian is not finite, so whether the codes are determined is not known."
        )
        return None
    rank = local_rank(found)
    _warn_of_undetermined_codes(rank)
    return RankSample(rank, found)


@dataclass(frozen=True)
class RankTrial:
    """Measures the eigenvalues at found codes and at prior draws. It travels to workers."""

    generator: Folder
    seed: int

    def __call__(self, codes: Codes, device: torch.device) -> Results:
        generator, card = load_generator(self.generator)
        labels = codes.label.long().to(device) if classes_of(generator) else None
        prior = load_prior(self.generator, card)
        return rank_eigenvalues(generator, prior, codes.z.to(device), labels, self.seed)


def rank_metrics(rank: LocalRank) -> dict[str, float]:
    """By the names of `RANK_METRICS`."""
    found: dict[str, float] = {}
    for each, suffix in ((rank.found, ""), (rank.prior, "_prior")):
        found |= {
            f"local_rank{suffix}": each.rank,
            f"local_rank_lowest{suffix}": each.lowest_rank,
            f"condition_number{suffix}": each.condition_number,
            f"smallest_eigenvalue{suffix}": each.smallest_eigenvalue,
            f"directions_below{suffix}": each.directions_below,
        }
    return found


def _first_codes(store: Store, count: int) -> Codes:
    taken: list[Codes] = []
    for codes in store.batches(("z", "label", "loss")):
        taken.append(codes[~codes.diverged][: count - sum(map(len, taken))])
        if sum(map(len, taken)) == count:
            break
    return concatenate(taken)


def _warn_of_undetermined_codes(rank: LocalRank) -> None:
    if rank.found.rank < rank.latent_dim:
        log.warning(
            "the codes are determined in %d of %d directions only (median of %d images): along the other %d "
            "an image hardly changes. So the codes depend on where their search started, and so do PAG, "
            "t-SNE and arithmetic of them.",
            rank.found.rank,
            rank.latent_dim,
            rank.found.codes,
            rank.latent_dim - rank.found.rank,
        )
