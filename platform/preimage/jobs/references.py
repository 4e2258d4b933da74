"""References from a job to the products of earlier runs, and the one walk that finds them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from preimage.data.config import DataConfig

Kind = TypeVar("Kind")


class Reference(str):
    """Names the product of an earlier step, a run or a folder. In a spec it is a plain string."""

    product: ClassVar[str]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema()
        return core_schema.no_info_after_validator_function(
            cls, text, serialization=core_schema.to_string_ser_schema()
        )


class GeneratorRef(Reference):
    """An earlier step, a run's name, a generator's folder, or a model in MLflow, such as models:/NAME/1."""

    product = "generator"


class StoreRef(Reference):
    """An earlier step, a run's name, or a latent store's folder."""

    product = "store"


class ClassifierRef(Reference):
    """An earlier step, a run's name, or a classifier's folder."""

    product = "classifier"


class PriorRef(Reference):
    """An earlier step, a run's name, or a fitted prior's folder."""

    product = "prior"


class CheckpointsRef(Reference):
    """An earlier step, a run's name, or the folder of its checkpoints."""

    product = "checkpoints"


def references(job: BaseModel) -> dict[str, Reference]:
    """The references of a job, by dotted key, in the order of its fields."""
    return find(job, Reference)


def images_named(job: BaseModel) -> dict[str, DataConfig]:
    """The image sets that a job's spec names, by dotted key."""
    return find(job, DataConfig)


def find(job: BaseModel, kind: type[Kind]) -> dict[str, Kind]:
    """The values of a type in a job, by dotted key, in the order of its fields."""
    return dict(_walk(job, kind))


def _walk(value: Any, kind: type[Kind], key: str = "") -> Iterator[tuple[str, Kind]]:
    if isinstance(value, kind):
        yield key, value
        return
    if isinstance(value, BaseModel):
        parts = dict(value)
    elif isinstance(value, Mapping):
        parts = value
    elif isinstance(value, list | tuple):
        parts = dict(enumerate(value))
    else:
        return
    for name, part in parts.items():
        yield from _walk(part, kind, f"{key}.{name}" if key else str(name))
