"""The classes of the images that a training run needs labels of."""

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import DataError


def class_names(data: DataConfig, catalog: Catalog, or_else: str = "") -> list[str] | None:
    """The names of the images' classes; None if they are known only once the images are prepared.

    or_else: what else the user may do, after a comma.
    Raises DataError for a source that is known to have none.
    """
    if data.split == "unlabeled":
        raise DataError("unlabeled images have no classes: train on data.split=train")
    names = catalog.classes(data)
    if names == [] or (names is None and not data.kind.classes):
        raise DataError(
            f"{data.source} has no classes, and this training needs them: name a source with classes "
            f"(preimage data list), or a folder of images with a folder for each class{or_else}"
        )
    return names
