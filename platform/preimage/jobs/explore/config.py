"""What an explore job's spec names: images, sums of their codes, and generators beside its own."""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.images_table import as_expression, class_number, select_ids
from preimage.data.where import Where, parse
from preimage.jobs.methods import both
from preimage.jobs.references import GeneratorRef, StoreRef

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


Pairs = tuple[tuple[ImageId, ImageId], ...]


class Arithmetic(Config):
    """A sum of averaged codes."""

    plus: Annotated[tuple[Choice, ...], Field(min_length=1)]
    minus: tuple[Choice, ...] = ()


class Beside(Config):
    """A generator, and its codes of the same images if it has any."""

    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    store: StoreRef | None = None
    """The codes of the images. Without them samples are of its own prior, and there are no interpolations."""


BesideRef = Annotated[Beside, BeforeValidator(both, json_schema_input_type=str | Beside)]
