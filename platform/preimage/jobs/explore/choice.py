"""Images chosen by class, by their columns or by id."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from preimage.config import Config, PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.images_table import as_expression, class_number, select_ids
from preimage.data.where import Where, parse
from preimage.errors import StoreError
from preimage.latents.schema import Codes
from preimage.latents.store import Store
from preimage.latents.walks import Chosen, average, codes_of, first_ids

ImageId = Annotated[int, Field(ge=0)]


class Choice(Config):
    """Images: a class, those whose columns fulfil a condition, or some ids."""

    label: str | ImageId | None = None
    """A class, by its name in the dataset or by its number."""
    where: Where | None = None
    """A condition on the columns of images.parquet: "Smiling = 1 and not Male = 1", "label in ('a', 'b')"."""
    ids: tuple[ImageId, ...] = ()
    """image_ids."""
    max_images: PositiveInt | None = None
    """Only so many of a class or of those that fulfil a condition: the first in the store."""

    @model_validator(mode="after")
    def _one_of_the_three(self) -> "Choice":
        if sum((self.label is not None, self.where is not None, bool(self.ids))) != 1:
            raise ValueError("give one of label, where and ids")
        if self.ids and self.max_images:
            raise ValueError("max_images is for label and where: give fewer ids")
        return self

    @property
    def name(self) -> str:
        if self.ids:
            return f"{len(self.ids)} image{'s' * (len(self.ids) > 1)}"
        return self.where or str(self.label)

    def check(self, data: DataConfig, catalog: Catalog) -> None:
        """Raise DataError if the images have no such class or column or, once prepared, if none is chosen."""
        classes = catalog.classes(data)
        if isinstance(self.label, str) and classes is not None:
            class_number(self.label, classes)
        if self.where is None:
            return
        if dataset := catalog.prepared(data):
            select_ids(dataset.folder, self.where, 1, dataset.classes)
        elif (columns := catalog.columns(data)) is not None:
            as_expression(parse(self.where), columns, classes or ())


@dataclass(frozen=True)
class Chooser:
    """Finds chosen images among those that have codes. Images whose search diverged are skipped."""

    store: Store
    dataset: Dataset

    def ids(self, choice: Choice, most: int) -> list[int]:
        """At most so many of the ids. Raises DataError like `Choice.check`."""
        if choice.ids:
            return list(choice.ids[:most])
        return first_ids(self.store, min(most, choice.max_images or most), self._chosen(choice))

    def average(self, choice: Choice) -> Tensor:
        """The mean code (d,). Raises DataError like `Choice.check`, StoreError if there are no such codes."""
        if choice.ids:
            return codes_of(self.store, choice.ids).double().mean(0).float()
        try:
            return average(self.store, self._chosen(choice), choice.max_images)
        except StoreError as error:
            raise StoreError(f"{choice.name}: {error}") from error

    def _chosen(self, choice: Choice) -> Chosen:
        if choice.where is not None:
            return _among(select_ids(self.dataset.folder, choice.where, None, self.dataset.classes))
        label = choice.label
        number = class_number(label, self.dataset.classes) if isinstance(label, str) else label
        return lambda codes: codes.label == number


def _among(ids: np.ndarray) -> Chosen:
    """Choose images with these ids (n,), ascending."""
    wanted = torch.from_numpy(ids)

    def chosen(codes: Codes) -> Tensor:
        places = torch.searchsorted(wanted, codes.image_id).clamp(max=len(wanted) - 1)
        return wanted[places] == codes.image_id

    return chosen
