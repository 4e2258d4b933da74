"""List the runs under a root from Python."""

from collections.abc import Collection

from preimage.housekeeping import listing
from preimage.housekeeping.listing import RunEntry
from preimage.storage.address import results_root
from preimage.storage.folder import Folder


def list_runs(
    results: str | None = None,
    *,
    every: bool = False,
    jobs: Collection[str] = (),
    states: Collection[str] = (),
    limit: int | None = None,
) -> list[RunEntry]:
    """The runs under a root, the newest last: what `preimage runs` shows.

    results: the root of all results; default: PREIMAGE_RESULTS, or results/. every: those of pipelines' steps
    and studies' trials too. jobs, states: only these. limit: at most so many. Raises StorageError."""
    root = Folder.at(results_root(results))
    return listing.list_runs(root, every=every, jobs=jobs, states=states, limit=limit)
