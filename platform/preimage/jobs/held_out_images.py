"""Images that a network was not trained on."""

from typing import Any

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.sources.open import is_gone, is_here
from preimage.data.sources.splits import split_of
from preimage.errors import DataError, GeneratorError
from preimage.jobs.base import Context
from preimage.jobs.compatibility import trained_on
from preimage.models.cards import GeneratorCard, require_images


def unseen_images(card: GeneratorCard, data: DataConfig | None, count: int, context: Context) -> Dataset:
    """A dataset whose last `count` images are unseen: training with a data.max_images takes the first ones.

    Without `data` it is what `held_out` returns. Raises GeneratorError or DataError where too few images are
    unseen, or they do not fit the generator.
    """
    trained = trained_on(card)
    data = data or (held_out(trained, context.catalog) if trained else None)
    if not data:
        raise GeneratorError(
            "this generator does not say what it was trained on: name unseen images with data.source"
        )
    require_images(card.generator, data.shape)
    dataset = context.dataset(data)
    seen = seen_of(trained, data, dataset.count) if trained else 0
    if dataset.count - seen < count:
        raise DataError(
            f"unseen={count}, but of the {dataset.count:,} images of {data.source} {data.split} the "
            f"generator was trained on {seen:,}: name others with data, or train it with a data.max_images"
        )
    return dataset


def held_out(trained: DataConfig, catalog: Catalog) -> DataConfig:
    """The test split of what a network was trained on; all of it where there is none, as for digits, or where
    it was trained on, as with CelebA's split `all`. Raises DataError if the files are gone."""
    if trained.split == trained.kind.whole:
        return trained.model_copy(update={"max_images": None})
    test = trained.model_copy(update={"split": "test", "max_images": None})
    return test if _exists(test, catalog) else trained.model_copy(update={"max_images": None})


def seen_of(trained: DataConfig, data: DataConfig, count: int) -> int:
    """How many of the first images of a dataset with `count` images the network was trained on."""
    if _origin(trained) != _origin(data):
        return 0
    return min(trained.max_images or count, count)


def _origin(data: DataConfig) -> tuple[Any, ...]:
    """Which images they are, whatever their size and number; the named sets are the same at any path."""
    path = None if data.kind.find else data.path
    split = split_of(data.split) or data.split
    if split == "test" and data.kind.test_is_validation:
        split = "validation"
    return (data.source, split, data.category, path, data.options)


def _exists(test: DataConfig, catalog: Catalog) -> bool:
    """Whether there is such a split, as far as that is known without a download; named sets have one.

    Raises DataError if the files are gone, unless the split was prepared: then nobody can tell.
    """
    if not is_here(test):
        return True
    if is_gone(test):
        return catalog.is_prepared(test)
    try:
        catalog.open(test)
    except DataError:
        return False
    return True
