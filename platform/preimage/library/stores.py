"""Latent stores from elsewhere, by the names that a user gives to what they belong to."""

from pathlib import Path

from preimage.importing.tables.import_codes import ImportedCodes, Origin, Progress, import_codes
from preimage.importing.tables.table import Columns
from preimage.pipelines.inputs import find_images, find_product
from preimage.runs.products import PRODUCTS
from preimage.storage.address import results_root
from preimage.storage.folder import Folder


def import_store(
    path: str | Path,
    *,
    column: str | None = None,
    id: str | None = None,
    label: str | None = None,
    generator: str | Path | None = None,
    images: str | Path | None = None,
    prior: str | None = None,
    output: str | Path | None = None,
    results: str | None = None,
    progress: Progress = lambda task: lambda done, total: None,
) -> ImportedCodes:
    """Make a latent store of a Parquet, .npy or .safetensors file of vectors (`preimage store import`).

    column: holds the vectors, (d,) or (C, H, W); by default the only one that does. id: image_ids, or names
    of the images; by default row numbers. label: class labels, numbers or texts. generator: a run's name or a
    generator's folder, if they are its codes; images: a run's name or a prepared dataset's folder, if they
    stand for its images. prior: `normal` or `uniform`, if there is no generator. output: the folder to write;
    by default `stores/NAME` under the results. Raises PreimageError, one sentence, if the file cannot be
    imported; then nothing is written.
    """
    root = Folder.at(results_root(results))
    runs, path = root / "runs", Path(path)
    found = find_product(str(generator), "generator", runs) if generator else None
    origin = Origin(
        generator=found.folder if found else None,
        card=found.card if found else None,
        images=find_images(str(images), runs) if images else None,
        prior=prior,
    )
    default = root / str(PRODUCTS["store"].imports) / path.stem.lower()
    folder = Folder.at(output) if output else default
    return import_codes(path, folder, Columns(column, id, label), origin, progress)
