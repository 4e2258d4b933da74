"""From codes back to the user's files: the names and classes of their images."""

from collections.abc import Mapping
from typing import Any

from preimage.data.dataset import Dataset
from preimage.data.images_table import read_rows
from preimage.errors import DataError, PreimageError
from preimage.latents.schema import Codes, DatasetInfo
from preimage.storage.folder import Folder


def named_images(codes: Codes, images: DatasetInfo | None) -> tuple[list[dict[str, Any]], str]:
    """A row for each code: image_id, name (the path in the source), label, class and loss, each None where
    there is none; and why there are no names, or an empty text."""
    try:
        known, remark = _known(codes, images), ""
    except PreimageError as error:
        known, remark = {}, f"names are unknown: {error}"
    plain = zip(codes.image_id.tolist(), codes.label.tolist(), codes.loss.tolist(), strict=True)
    return [_row(image_id, label, loss, known.get(image_id, {})) for image_id, label, loss in plain], remark


def _row(image_id: int, label: int, loss: float, known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "name": known.get("name"),
        "label": label if label >= 0 else None,
        "class": known.get("class"),
        "loss": loss if loss == loss else None,  # NaN of a search that diverged
    }


def open_images(images: DatasetInfo | None) -> Dataset:
    """The images of a store. Raises PreimageError if it does not name them, or the dataset is gone, or
    another one by now."""
    if not images or not images.path:
        raise DataError("the store does not say where its images are prepared")
    dataset = Dataset.open(Folder.at(images.path))
    if dataset.fingerprint != images.fingerprint:
        raise DataError(f"{images.path} holds other images than those of the codes")
    return dataset


def _known(codes: Codes, images: DatasetInfo | None) -> dict[int, dict[str, Any]]:
    """Name and class by image_id. Raises PreimageError as `open_images` does."""
    dataset = open_images(images)
    rows = read_rows(dataset.folder, codes.image_id.tolist(), ("name", "label")).to_pylist()
    classes = dict(enumerate(dataset.classes))
    return {each["image_id"]: each | {"class": classes.get(each["label"])} for each in rows}
