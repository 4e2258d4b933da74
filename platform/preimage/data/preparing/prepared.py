"""Find prepared datasets: by the state of their source's files, without reading an image."""

from typing import Any

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.sources.base import Signature
from preimage.errors import DataError, FormatError, StorageError
from preimage.storage.folder import Folder, canonical_json, digest

_DECODING = 2
"""Raised when the same images would become other pixels; the format of the files identifies nothing."""
_SAME = "same_as.json"
"""In the folder of a state of the files: the dataset with the same content."""


def settings_of(config: DataConfig) -> dict[str, Any]:
    """What decides how images are prepared, whatever they are and wherever they lie."""
    return config.model_dump(mode="json", exclude={"path", "on_error"})


def key_of(config: DataConfig, images: str) -> str:
    """Identifies a dataset: its settings, and a text that identifies its images."""
    return digest(canonical_json([_DECODING, settings_of(config), images]).encode())


def folder_of(config: DataConfig, state: str, datasets: Folder) -> Folder:
    """The folder of a state of the files: `<source>-<split>-<size>px-<key>`, or `<height>x<width>px`."""
    return datasets / f"{_prefix(config)}{key_of(config, state)[:10]}"


def find(config: DataConfig, state: str, datasets: Folder) -> Dataset | None:
    """The finished dataset of a state of the files, or of other files that were found to hold the same.

    Raises FormatError if it is of another format: it is not prepared again over that.
    """
    folder, key = folder_of(config, state, datasets), key_of(config, state)
    dataset = _opened(folder)
    if dataset and dataset.key == key:
        return dataset
    try:
        same = folder.read_json(_SAME)
        dataset = _opened(datasets / same["dataset"]) if same["key"] == key else None
        return dataset if dataset and dataset.identity == same["identity"] else None
    except (StorageError, LookupError, TypeError):  # there is none, or it is damaged
        return None


def similar(config: DataConfig, signature: Signature, datasets: Folder) -> list[Dataset]:
    """Finished datasets of the same settings, from files of the same names and sizes."""
    names = [name for name in datasets.names() if name.startswith(_prefix(config))]
    found = [dataset for name in names if (dataset := _readable(datasets / name))]
    settings = settings_of(config)
    return [
        each
        for each in found
        if each.manifest["listing"] == signature.listing and settings_of(each.config) == settings
    ]


def remember(config: DataConfig, state: str, dataset: Dataset, datasets: Folder) -> None:
    """Note that a state of the files holds what a dataset was made from. Raises StorageError."""
    name = dataset.folder.name
    same = {"key": key_of(config, state), "dataset": name, "identity": dataset.identity}
    folder_of(config, state, datasets).write_json(_SAME, same)


def _prefix(config: DataConfig) -> str:
    size = config.size if isinstance(config.size, int) else "x".join(map(str, config.size))
    return f"{config.source}-{config.split.replace(' ', '_')}-{size}px-"


def _opened(folder: Folder) -> Dataset | None:
    try:
        return Dataset.find(folder)
    except DataError:  # a shard is missing: it is prepared again
        return None


def _readable(folder: Folder) -> Dataset | None:
    """As `_opened`; None for another format too."""
    try:
        return _opened(folder)
    except FormatError:
        return None
