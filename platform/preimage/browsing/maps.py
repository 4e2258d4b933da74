"""The map of codes, kept beside them: `_map/map.parquet` in the store's folder, of image_id, x and y.

A folder of its own, since whatever reads a store as a folder of Parquet files must not take it for codes. Its
metadata has the method, its settings and the store's fingerprint; it is made anew if any of them differs.
"""

import io
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preimage.browsing.projection import Progress, pca_map, silent, tsne_map
from preimage.browsing.samples_of_rows import sampled_rows
from preimage.browsing.subject import Subject
from preimage.errors import StorageError
from preimage.metrics.clusters import PERPLEXITY
from preimage.storage.folder import Folder

Method = Literal["tsne", "pca"]
FOLDER, FILE = "_map", "map.parquet"
TSNE_MOST = 10_000
"""A t-SNE map shows at most so many codes, about a minute's work; of larger stores a sample."""
KEPT_FROM = 20_000
"""A PCA map of fewer codes is made faster than it is read."""
SEED = 0
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Map:
    """Where codes are on the map."""

    ids: np.ndarray
    """(n,) int64: each once, in the store's order."""
    xy: np.ndarray
    """(n, 2) float32."""
    notes: tuple[str, ...] = ()
    """Sentences: what was sampled, and where the map is not kept."""


def usual_method(subject: Subject) -> Method:
    """t-SNE of all codes if they are few enough; draws of a prior have no clusters to wait for."""
    return "tsne" if subject.store and subject.count <= TSNE_MOST else "pca"


def map_of(subject: Subject, method: Method, progress: Progress = silent) -> Map:
    """The map that is kept beside the store, or a new one, which is kept if it took long."""
    ids, notes = _shown(subject, method)
    if not len(ids):
        return Map(ids, np.zeros((0, 2), np.float32), notes)
    about = _about(subject, method)
    kept = kept_map(subject, about, ids)
    if kept is not None:
        return Map(ids, kept, notes)
    xy = _project(subject, method, ids, progress)
    if subject.store and (method == "tsne" or len(ids) >= KEPT_FROM):
        notes += _keep(subject.store.folder / FOLDER, about, ids, xy)
    return Map(ids, xy, notes)


def kept_map(subject: Subject, about: dict[str, Any], ids: np.ndarray) -> np.ndarray | None:
    """The map (n, 2) that is kept of these ids; None if there is none, or one of other codes or settings."""
    if not subject.store:
        return None
    folder = subject.store.folder / FOLDER
    try:
        data = folder.find(FILE)
        table = pq.read_table(io.BytesIO(data)) if data else None
        said = json.loads((table.schema.metadata or {})[b"preimage"]) if table else None
    except (StorageError, OSError, ValueError, LookupError, pa.ArrowException):
        return None  # it is made anew, whatever is wrong with it
    if table is None or said != about or not {"image_id", "x", "y"} <= set(table.column_names):
        return None
    if not np.array_equal(table["image_id"].to_numpy(), ids):
        return None
    return np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1).astype(np.float32)


def _shown(subject: Subject, method: Method) -> tuple[np.ndarray, tuple[str, ...]]:
    """Whose codes the map shows."""
    ids, lost = subject.rows.ids, subject.rows.diverged
    notes = (f"Images whose search diverged are left out: {lost:,}.",) if lost else ()
    if method == "pca" or len(ids) <= TSNE_MOST:
        return ids, notes
    sampled = f"t-SNE shows a sample of {TSNE_MOST:,} of the {len(ids):,} codes; PCA shows all."
    return ids[sampled_rows(len(ids), TSNE_MOST, SEED)], (*notes, sampled)


def _about(subject: Subject, method: Method) -> dict[str, Any]:
    settings = {"perplexity": PERPLEXITY, "seed": SEED, "most": TSNE_MOST} if method == "tsne" else {}
    return {"format": FORMAT, "method": method, "settings": settings, "store": subject.fingerprint}


def _project(subject: Subject, method: Method, ids: np.ndarray, progress: Progress) -> np.ndarray:
    if method == "pca":
        return pca_map(lambda: (codes.z for codes in subject.batches(("z",))), len(ids), progress)
    advance = progress(f"t-SNE of {len(ids):,} codes")
    found = tsne_map(subject.codes_of(ids).z, SEED)
    advance(1, 1)
    return found


def _keep(folder: Folder, about: dict[str, Any], ids: np.ndarray, xy: np.ndarray) -> tuple[str, ...]:
    """Write map.parquet, whole or not at all; a sentence if the folder cannot be written."""
    table = pa.table(
        {"image_id": ids, "x": xy[:, 0], "y": xy[:, 1]}, metadata={b"preimage": json.dumps(about).encode()}
    )
    try:
        with folder.writing(FILE) as stream:
            pq.write_table(table, stream, compression="zstd")
    except StorageError as error:
        return (f"The map is kept nowhere, and is made anew each time: {error}",)
    return ()
