"""Images that a generator was not trained on."""

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.errors import DataError, GeneratorError
from preimage.models.generator_folder import GeneratorCard, require_images
from preimage.recipes.context import Context


def unseen_images(card: GeneratorCard, data: DataConfig | None, count: int, context: Context) -> Dataset:
    """A dataset whose last `count` images are unseen: a training with a data.limit had the first.

    Without `data` it is the test split of what the generator was trained on, or for digits, which have none,
    all of them. Raises GeneratorError or DataError where too few of them are unseen, or they do not fit the
    generator.
    """
    trained = DataConfig.model_validate(card.training["data"]) if "data" in card.training else None
    data = data or (_held_out(trained) if trained else None)
    if not data:
        raise GeneratorError(
            "this generator does not say what it was trained on: name unseen images with data.source"
        )
    require_images(card.generator, data.size, data.channels)
    dataset = context.dataset(data)
    seen = _seen(trained, data, dataset.count) if trained else 0
    if dataset.count - seen < count:
        raise DataError(
            f"unseen={count}, but of the {dataset.count:,} images of {data.source} {data.split} the "
            f"generator was trained on {seen:,}: name others with data, or train it with a data.limit"
        )
    return dataset


def _held_out(trained: DataConfig) -> DataConfig:
    split = "train" if trained.source == "digits" else "test"
    return trained.model_copy(update={"split": split, "limit": None})


def _seen(trained: DataConfig, data: DataConfig, count: int) -> int:
    """How many of the first images of a dataset of that many the generator was trained on."""
    which = ("source", "split", "category", *(["path"] if data.source == "folder" else []))
    if any(getattr(trained, name) != getattr(data, name) for name in which):
        return 0
    return min(trained.limit or count, count)
