"""A full check of a latent store: every byte, every row."""

import math
from dataclasses import dataclass

from preimage.errors import StorageError, StoreError
from preimage.latents import parquet
from preimage.latents.image_ids import Span, span_of
from preimage.latents.local_rank import LocalRank
from preimage.latents.manifest import (
    PLAN,
    Manifest,
    PartRecord,
    StorePlan,
    config_of,
    read_config,
    read_manifest,
    record_name,
)
from preimage.latents.schema import About, Codes, not_finite
from preimage.latents.store import Store, misfits
from preimage.latents.tally import COLUMNS as TALLIED
from preimage.latents.tally import Tally
from preimage.storage.folder import Folder


@dataclass(frozen=True)
class SearchReport:
    """What a check found of the searches behind the codes."""

    converged: float
    """Fraction of images whose solver converged."""
    diverged: int
    """Images without a loss, which mean and median skip."""
    loss_mean: float
    """NaN, like the median, if every image diverged."""
    loss_median: float


@dataclass(frozen=True)
class StoreReport:
    """What a check found in an intact store."""

    count: int
    parts: int
    bytes: int
    latent_dim: int
    search: SearchReport | None
    """None if no search found the codes."""
    local_rank: LocalRank | None
    """What the manifest says of the codes, if it was measured."""


def verify(folder: Folder | str) -> StoreReport:
    """Read a whole store and check it: files, digests, schema, rows, ids, and that every number is finite
    except the losses of diverged images, which are null.

    Memory does not grow with the store. Raises StoreError listing every problem.
    """
    folder = folder if isinstance(folder, Folder) else Folder.at(folder)
    manifest = read_manifest(folder)
    wrong_files = misfits(folder, manifest)
    problems = _plan_problems(folder, manifest) + list(wrong_files.values())
    rows = _Rows(manifest.about)
    problems += _record_problems(folder, manifest)
    for record in manifest.parts:
        if record.file not in wrong_files:
            problems += _part_problems(folder, record, manifest.about, rows)
    if repeated := parquet.repeated_ids(folder, manifest.about, rows.read, rows.spans):
        problems.append(f"images {repeated} occur more than once")
    if problems:
        listed = "\n  ".join(problems)
        raise StoreError(f"{folder.uri} is not an intact latent store:\n  {listed}\n{_FIX}")
    return _report(manifest, rows.tally)


def describe(store: Store) -> dict[str, object]:
    """Summarise the codes in one pass: counts, means and fractions.

    The means skip images that diverged, which are counted. There is nothing on losses and steps if no search
    found the codes.
    """
    searched = store.about.searched
    tally, counted, size, fewest, most = Tally(), 0, 0.0, 2**31 - 1, 0
    for codes in store.batches(("z", *(TALLIED if searched else ()))):
        sizes = codes.z[~codes.diverged].norm(dim=1).double()
        counted, size = counted + len(sizes), size + sizes.sum().item()
        if searched:
            tally.add(codes)
            fewest, most = min(fewest, int(codes.steps.min())), max(most, int(codes.steps.max()))
    search = {
        "loss_mean": tally.loss_mean,
        "converged": tally.converged / store.count,
        "diverged": tally.diverged,
        "steps_mean": tally.steps_mean,
        "steps_min": fewest,
        "steps_max": most,
    }
    return {
        **store.about.model_dump(mode="json"),
        "fingerprint": store.fingerprint,
        "count": store.count,
        "parts": len(store.manifest.parts),
        "bytes": sum(record.bytes for record in store.manifest.parts),
        "z_norm_mean": size / counted if counted else math.nan,
        **(search if searched else {}),
        **({"local_rank": rank.model_dump()} if (rank := store.manifest.local_rank) else {}),
    }


_FIX = (
    "Delete the parts listed, their records (_part-....json) and _manifest.json, then run the job again: it "
    "makes only these."
)


class _Rows:
    """What to keep of the rows already read."""

    def __init__(self, about: About) -> None:
        self.tally = Tally()
        self.spans: list[Span | None] = []
        self.read: list[PartRecord] = []
        """The parts of these rows."""
        self._available = about.available

    def add(self, codes: Codes) -> None:
        if len(codes):
            if codes.searched:
                self.tally.add(codes)
            self.spans.append(span_of(codes.image_id, self._available))


def _plan_problems(folder: Folder, manifest: Manifest) -> list[str]:
    try:
        plan = read_config(folder, PLAN, StorePlan)
    except StoreError as error:
        return [str(error)]
    parts, count = max(1, len(manifest.parts)), max(1, manifest.count)
    expected = StorePlan(about=manifest.about, parts=parts, count=count)
    if plan == expected:
        return []
    changes = plan.differences(expected) or ["paths"]
    return [f"the manifest does not match {PLAN}: {change}" for change in changes]


def _record_problems(folder: Folder, manifest: Manifest) -> list[str]:
    names = [record_name(index) for index in range(len(manifest.parts))]
    found: list[str] = []
    for name, data, record in zip(names, folder.read_all(names), manifest.parts, strict=True):
        try:
            if config_of(folder, name, PartRecord, data) != record:
                found.append(f"{name} does not match the manifest")
        except StoreError as error:
            found.append(str(error))
    return found


def _part_problems(folder: Folder, record: PartRecord, about: About, rows: _Rows) -> list[str]:
    """What is wrong with one part. Reads its rows only if its digest matches."""
    try:
        if parquet.file_digest(folder, record.file) != record.sha256:
            return [f"{record.file} was altered: its SHA-256 does not match the manifest"]
        return _row_problems(folder, record, about, rows)
    except (StoreError, StorageError) as error:
        return [str(error)]


def _row_problems(folder: Folder, record: PartRecord, about: About, rows: _Rows) -> list[str]:
    found: list[str] = []
    for codes in parquet.batches(folder, [record], about, None, parquet.ROW_GROUP):
        rows.add(codes)
        wrong = [not_finite(name, getattr(codes, name)) for name in ("z", "loss") if name in about.columns]
        found += [f"{record.file}: {problem}" for problem in wrong if problem]
    rows.read.append(record)
    return found


def _report(manifest: Manifest, tally: Tally) -> StoreReport:
    search = SearchReport(
        converged=tally.converged / manifest.count,
        diverged=tally.diverged,
        loss_mean=tally.loss_mean,
        loss_median=tally.loss_median,
    )
    return StoreReport(
        count=manifest.count,
        parts=len(manifest.parts),
        bytes=sum(record.bytes for record in manifest.parts),
        latent_dim=manifest.about.latent_dim,
        search=search if manifest.about.searched else None,
        local_rank=manifest.local_rank,
    )
