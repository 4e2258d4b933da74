"""A full check of a latent store: every byte, every row."""

from dataclasses import dataclass

import numpy as np

from preimage.errors import StorageError, StoreError
from preimage.latents import parquet
from preimage.latents.manifest import (
    PLAN,
    Manifest,
    PartRecord,
    Plan,
    read_config,
    read_manifest,
    record_name,
)
from preimage.latents.schema import About, Codes, all_finite
from preimage.latents.store import Store, misfits
from preimage.storage import Folder


@dataclass(frozen=True)
class Report:
    """A store that was found to be whole."""

    count: int
    parts: int
    bytes: int
    latent_dim: int
    converged: float
    """Share of the images whose solver converged."""
    loss_mean: float
    loss_median: float


def verify(folder: Folder | str) -> Report:
    """Read a whole store and check it: files, digests, schema, rows, ids, that every number is finite.

    Holds 12 bytes an image and one batch of codes. Raises StoreError that lists every problem found.
    """
    folder = folder if isinstance(folder, Folder) else Folder.at(folder)
    manifest = read_manifest(folder)
    wrong_files = misfits(folder, manifest)
    problems = _plan_problems(folder, manifest) + list(wrong_files.values())
    rows = _Rows(manifest.count)
    for index, record in enumerate(manifest.parts):
        problems += _record_problems(folder, index, record)
        if record.file not in wrong_files:
            problems += _part_problems(folder, record, manifest.about, rows)
    if repeated := rows.ids.repeated():
        problems.append(f"images {repeated} come more than once")
    if problems:
        listed = "\n  ".join(problems)
        raise StoreError(f"{folder.uri} is not a whole latent store:\n  {listed}\n{_MEND}")
    return _report(manifest, rows)


def describe(store: Store) -> dict[str, object]:
    """Plain facts about the codes, from one pass over them: counts, means and shares."""
    totals = np.zeros(4)
    fewest, most = 2**31 - 1, 0
    for codes in store.batches(("z", "loss", "steps", "converged")):
        sizes = codes.z.norm(dim=1).double().sum()
        totals += [codes.loss.double().sum(), codes.converged.sum(), sizes, codes.steps.sum()]
        fewest, most = min(fewest, int(codes.steps.min())), max(most, int(codes.steps.max()))
    loss, converged, size, steps = (totals / store.count).tolist()
    return {
        **store.about.model_dump(mode="json"),
        "fingerprint": store.fingerprint,
        "count": store.count,
        "parts": len(store.manifest.parts),
        "bytes": sum(record.bytes for record in store.manifest.parts),
        "loss_mean": loss,
        "converged": converged,
        "z_norm_mean": size,
        "steps_mean": steps,
        "steps_min": fewest,
        "steps_max": most,
    }


_MEND = (
    "Delete the parts that are named, their .json and manifest.json, and run the job again to make them anew."
)


class _Rows:
    """What is remembered of the rows already read."""

    def __init__(self, count: int) -> None:
        self.ids = parquet.Ids(count)
        self.losses: list[np.ndarray] = []
        self.converged = 0

    def add(self, codes: Codes) -> None:
        self.ids.add(codes.image_id.numpy())
        self.losses.append(codes.loss.numpy().copy())
        self.converged += int(codes.converged.sum())


def _plan_problems(folder: Folder, manifest: Manifest) -> list[str]:
    try:
        plan = read_config(folder, PLAN, Plan)
    except StoreError as error:
        return [str(error)]
    here = Plan(about=manifest.about, parts=max(1, len(manifest.parts)), count=max(1, manifest.count))
    if plan == here:
        return []
    return [f"the manifest is not that of {PLAN}: {change}" for change in plan.differences(here) or ["paths"]]


def _record_problems(folder: Folder, index: int, record: PartRecord) -> list[str]:
    name = record_name(index)
    try:
        same = read_config(folder, name, PartRecord) == record
    except StoreError as error:
        return [str(error)]
    return [] if same else [f"{name} is not the record in the manifest"]


def _part_problems(folder: Folder, record: PartRecord, about: About, rows: _Rows) -> list[str]:
    """What is wrong with one part; its rows are read only where its bytes are those that were written."""
    try:
        if parquet.file_digest(folder, record.file) != record.sha256:
            return [f"{record.file} was altered: its SHA-256 is not the manifest's"]
        return _row_problems(folder, record, about, rows)
    except (StoreError, StorageError) as error:
        return [str(error)]


def _row_problems(folder: Folder, record: PartRecord, about: About, rows: _Rows) -> list[str]:
    found: list[str] = []
    for codes in parquet.batches(folder, [record], about, None, parquet.ROW_GROUP):
        rows.add(codes)
        wrong = [name for name in ("z", "loss") if not all_finite(getattr(codes, name))]
        found += [f"{record.file} has a {name} that is not finite" for name in wrong]
    return found


def _report(manifest: Manifest, rows: _Rows) -> Report:
    losses = np.concatenate(rows.losses)
    return Report(
        count=manifest.count,
        parts=len(manifest.parts),
        bytes=sum(record.bytes for record in manifest.parts),
        latent_dim=manifest.about.latent_dim,
        converged=rows.converged / manifest.count,
        loss_mean=float(losses.mean(dtype=np.float64)),
        loss_median=float(np.median(losses, overwrite_input=True)),
    )
