"""The real images that samples are scored beside, and whether a scoring network can score them."""

from collections.abc import Mapping, Sequence

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.image_shape import settings_text
from preimage.errors import DataError, GeneratorError
from preimage.jobs.base import Context
from preimage.jobs.compatibility import images_for, require_classes, require_classifiable
from preimage.jobs.evaluate.report import TEST
from preimage.jobs.evaluate.score_shards import ImageSet, rows_of
from preimage.jobs.held_out_images import held_out, seen_of
from preimage.models.cards import read_card, read_classifier_card, require_images
from preimage.models.inception_weights import require_colours
from preimage.models.scorer import Scorer, ScorerSource
from preimage.storage.folder import Folder


def training_images(generators: Mapping[str, Sequence[Folder]], given: DataConfig | None) -> DataConfig:
    """The given images, or those that the first generator was trained on.

    Raises GeneratorError with the name of a generator whose images have another shape.
    """
    data = given
    for name, folders in generators.items():
        for folder in folders:
            card = read_card(folder)
            try:
                data = data or images_for(card, None)
                require_images(card.generator, data.shape)
            except GeneratorError as error:
                raise GeneratorError(f"{name}: {error}") from error
    assert data
    return data


def require_shape(source: ScorerSource, data: DataConfig) -> None:
    """Raise ClassifierError where a classifier takes images of another shape. Inception takes any of 1 or 3
    channels."""
    if source.classifier:
        require_classifiable(read_classifier_card(source.classifier).classifier.shape, data.shape)
    else:
        require_colours(data.channels)


def ceiling_images(
    training: Dataset, given: DataConfig | None, max_images: int, scorer: Scorer, context: Context
) -> tuple[ImageSet | None, tuple[str, ...]]:
    """Held-out images, `max_images` of them at most; where there are none, the remark that says so.

    Raises DataError where the given images are all training images or have another shape, ClassifierError
    where they have classes that the scoring network does not know.
    """
    trained = training.config
    data = given or held_out(trained, context.catalog)
    if data.shape != trained.shape:
        raise DataError(f"test must have the shape of data: set {settings_text(trained.shape, 'test')}")
    dataset = context.dataset(data)
    first_row = seen_of(trained, data, dataset.count)
    if dataset.count - first_row >= 2:
        require_classes(scorer.classes, dataset)
        return rows_of(TEST, dataset, max_images, first_row), ()
    none = f"all images of {data.source} {data.split} are training images"
    if given:
        raise DataError(f"{none}: name others with test, or lower data.max_images")
    return None, (f"There is no line of {TEST}, and so no ceiling, because {none}: name some with test.",)
