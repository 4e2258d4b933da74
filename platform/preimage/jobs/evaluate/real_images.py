"""Which real images samples are scored beside, and whether a scoring network can score them."""

from collections.abc import Mapping, Sequence

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.errors import DataError, GeneratorError
from preimage.jobs.compatibility import images_for, require_classes, require_classifiable
from preimage.jobs.context import Context
from preimage.jobs.evaluate.report import TEST
from preimage.jobs.evaluate.score_shards import ImageSet, rows_of
from preimage.jobs.held_out_images import held_out, seen_of
from preimage.models.classifier import read_classifier_card
from preimage.models.generator_folder import read_card, require_images
from preimage.models.scorer import Scorer, ScorerSource
from preimage.storage.folder import Folder


def training_images(generators: Mapping[str, Sequence[Folder]], given: DataConfig | None) -> DataConfig:
    """The images that were given, or those that the first generator was trained on.

    Raises GeneratorError with the name of a generator that makes none of their shape.
    """
    data = given
    for name, folders in generators.items():
        for folder in folders:
            card = read_card(folder)
            try:
                data = data or images_for(card, None)
                require_images(card.generator, data.size, data.channels)
            except GeneratorError as error:
                raise GeneratorError(f"{name}: {error}") from error
    assert data
    return data


def require_shape(source: ScorerSource, data: DataConfig) -> None:
    """Raise ClassifierError where a classifier takes images of another shape; Inception takes any."""
    if not source.classifier:
        return
    about = read_classifier_card(source.classifier).classifier
    require_classifiable((about.image_size, about.channels), (data.size, data.channels))


def ceiling(
    training: Dataset, given: DataConfig | None, most: int, scorer: Scorer, context: Context
) -> tuple[ImageSet | None, tuple[str, ...]]:
    """At most so many held-out images; where there are none, what is to be said instead.

    Raises DataError where images were named but are none, or of another shape, ClassifierError where they are
    of other classes.
    """
    trained = training.config
    data = given or held_out(trained)
    if (data.size, data.channels) != (trained.size, trained.channels):
        raise DataError(
            f"test must have the shape of data: set test.size={trained.size} test.channels={trained.channels}"
        )
    dataset = context.dataset(data)
    first = seen_of(trained, data, dataset.count)
    if dataset.count - first >= 2:
        require_classes(scorer.classes, dataset)
        return rows_of(TEST, dataset, most, first), ()
    none = f"all images of {data.source} {data.split} are training images"
    if given:
        raise DataError(f"{none}: name others with test, or lower data.max_images")
    return None, (f"There is no line of {TEST}, and so no ceiling, because {none}: name some with test.",)
