"""Checks that a generator, its images, their codes and a classifier belong together."""

from collections.abc import Sequence

from preimage.data.config import DataConfig, stored_config
from preimage.data.dataset import Dataset
from preimage.data.image_shape import Shape, settings_text, shape_text
from preimage.errors import ClassifierError, GeneratorError, StoreError
from preimage.latents.store import Store
from preimage.models.cards import GeneratorCard, require_images


def trained_on(card: GeneratorCard) -> DataConfig | None:
    """The images that a generator was trained on, if it says so. Raises PluginError if these are of a plugin
    that is missing here, DataError if they are none here for another reason."""
    data = card.training.get("data")
    return stored_config(data, card.training, "this generator") if data else None


def images_for(card: GeneratorCard, given: DataConfig | None) -> DataConfig:
    """The given images, or else those that the generator was trained on.

    Raises GeneratorError if neither is known, or if the generator makes images of another shape.
    """
    data = given or trained_on(card)
    if not data:
        raise GeneratorError(
            "this generator does not say what it was trained on: name the images with data.source"
        )
    require_images(card.generator, data.shape)
    return data


def require_codes_of(card: GeneratorCard, store: Store) -> None:
    """Raise StoreError if a store holds codes of another generator."""
    own = store.about.generator
    if own is None:
        raise StoreError(
            f"{store.folder.uri} holds codes of no known generator: import them with --generator, or invert "
            "images with this one"
        )
    if own.fingerprint != card.fingerprint:
        place = f", which was at {own.path}" if own.path else ""
        raise StoreError(
            f"{store.folder.uri} holds codes of another generator: give the one they were made with{place}, "
            "or this one's own store"
        )


def require_images_of(dataset: Dataset, store: Store) -> None:
    """Raise StoreError if a store's codes stand for other images."""
    _require_known_images(store)
    if store.about.dataset_fingerprint != dataset.fingerprint:
        raise StoreError(
            f"the codes in {store.folder.uri} stand for other images than {dataset.config.source} "
            f"{dataset.config.split}, prepared as here: name with data those that the store was made from"
        )


def require_same_images(stores: Sequence[Store]) -> None:
    """Raise StoreError unless all stores hold codes of the same images."""
    for store in stores:
        _require_known_images(store)
    first, *others = stores
    for store in others:
        same = store.about.dataset_fingerprint == first.about.dataset_fingerprint
        if not same or store.count != first.count:
            raise StoreError(
                f"{store.folder.uri} holds codes of other images than {first.folder.uri}: invert the same "
                "images for both"
            )


def _require_known_images(store: Store) -> None:
    if store.about.dataset is None:
        raise StoreError(
            f"{store.folder.uri} does not say which images its codes stand for: import them with --images"
        )


def require_classifiable(classifier: Shape, images: Shape) -> None:
    """Raise ClassifierError if a classifier takes images of another shape, (C, H, W)."""
    if classifier != images:
        raise ClassifierError(
            f"the classifier is one of images of {shape_text(classifier)}, those to be scored are "
            f"{shape_text(images)}: give one trained with {settings_text(images)} (preimage run classifier)"
        )


def require_classes(known: Sequence[str], dataset: Dataset) -> None:
    """Raise ClassifierError if the images have classes that a classifier does not know.

    known: the names of its classes; empty for Inception, which takes any image.
    """
    unknown = [name for name in dataset.classes if name not in known]
    if not known or not unknown:
        return
    more = len(dataset.classes) > len(known)
    kind = "more classes than the classifier knows" if more else "classes that the classifier does not know"
    names = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    raise ClassifierError(
        f"{dataset.config.source} has {kind}: {len(dataset.classes)}, among them {names}; the classifier "
        f"knows {len(known)}. Train one on these images, or give the data it was trained on."
    )
