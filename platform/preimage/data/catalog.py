"""The image sets of one command: each source is opened once, however many steps ask about it."""

import pyarrow as pa

from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.preparing.images_writer import schema_of
from preimage.data.preparing.prepare import Progress, prepare, require_all_read
from preimage.data.preparing.prepared import find, folder_of, key_of, similar
from preimage.data.sources.base import AnySource, Contents
from preimage.data.sources.file_state import placed
from preimage.data.sources.open import is_gone, is_here, known_count, locate, name_without_files, open_located
from preimage.errors import DataError
from preimage.storage.folder import Folder

_PIXELS = {"size", "channels", "crop", "resample", "white", "max_images"}
"""The keys that do not change what a source holds."""


class Catalog:
    """What is known about image sets, by config. It is not sent to workers."""

    def __init__(self, datasets: Folder) -> None:
        """datasets: where prepared images are."""
        self.datasets = datasets
        self._sources: dict[str, AnySource | DataError] = {}
        self._prepared: dict[str, Dataset] = {}

    def open(self, config: DataConfig) -> AnySource:
        """The source of a config. Raises DataError if files are missing or invalid."""
        located = locate(config)
        place = located.model_dump_json(exclude=_PIXELS)
        if place not in self._sources:
            self._sources[place] = _opened(located)
        source = self._sources[place]
        if isinstance(source, DataError):
            raise DataError(str(source))
        return source

    def prepared(self, config: DataConfig) -> Dataset | None:
        """The dataset that was made from the files as they are now. Reads no image.

        Raises DataError, also if it lacks images that were skipped and the config says to stop.
        """
        settings = config.model_dump_json()
        if settings not in self._prepared:
            dataset = find(config, self._state(config), self.datasets)
            if dataset is None:
                return None
            require_all_read(config, dataset)
            self._prepared[settings] = dataset
        return self._prepared[settings]

    def key(self, config: DataConfig) -> str:
        """Identifies a dataset: its settings, and its images by content; until these were read, by
        the state of their files. Raises DataError."""
        if config.kind.package:  # a package's data, always the same
            return key_of(config, self._state(config))
        dataset = self.prepared(config)
        return key_of(config, dataset.identity if dataset else self._state(config))

    def is_identified(self, config: DataConfig) -> bool:
        """Whether `key` is final: the images are known by their content."""
        return bool(config.kind.package) or self.is_prepared(config)

    def folder(self, config: DataConfig) -> Folder:
        """Where the prepared dataset is, or will be. Raises DataError."""
        dataset = self.prepared(config)
        return dataset.folder if dataset else folder_of(config, self._state(config), self.datasets)

    def is_prepared(self, config: DataConfig) -> bool:
        return self.prepared(config) is not None

    def may_be_known(self, config: DataConfig) -> bool:
        """Whether images that are not prepared may be a dataset's, by the names and sizes of their files."""
        if not is_here(config):
            return False
        return bool(similar(config, self.open(config).signature, self.datasets))

    def count(self, config: DataConfig | None) -> int | None:
        """How many images a config selects; None if only a download or decoding would tell."""
        if not config:
            return None
        dataset = self.prepared(config)
        return dataset.count if dataset else known_count(config, self.open)

    def total(self, config: DataConfig) -> int | None:
        """How many images `contents` counts: a source's, whatever `max_images` says, until it is prepared."""
        dataset = self.prepared(config)
        everything = config.model_copy(update={"max_images": None})
        return dataset.count if dataset else known_count(everything, self.open)

    def contents(self, config: DataConfig) -> Contents | None:
        """What a config's source holds, and what of it is not read; None before a download."""
        if dataset := self.prepared(config):
            return dataset.contents
        return self.open(config).contents if is_here(config) else None

    def classes(self, config: DataConfig) -> list[str] | None:
        """Class names by label; None before a download."""
        if dataset := self.prepared(config):
            return dataset.classes
        return self.open(config).classes if is_here(config) else None

    def columns(self, config: DataConfig) -> pa.Schema | None:
        """Those of images.parquet; None before a download."""
        return schema_of(self.open(config).columns) if is_here(config) else None

    def prepare(self, config: DataConfig, resources: Resources, progress: Progress) -> Dataset:
        """The prepared images; prepares them first if needed. Raises DataError, StorageError."""
        return prepare(
            config,
            self.datasets,
            workers=resources.workers,
            cpus=resources.cpus_per_worker,
            backend=resources.backend,
            progress=progress,
            open_source=self.open,
        )

    def listing(self, config: DataConfig) -> str:
        """Identifies a config's settings, and its files by their names and sizes alone. Raises DataError."""
        images = self.open(config).signature.listing if is_here(config) else name_without_files(config)
        return key_of(config, images)

    def _state(self, config: DataConfig) -> str:
        """Identifies the files of a config without reading an image; never downloads."""
        name = name_without_files(config)
        if not is_here(config) or (is_gone(config) and find(config, name, self.datasets)):
            return name
        return placed(self.open(config).signature.state, config)


def _opened(located: DataConfig) -> AnySource | DataError:
    try:
        return open_located(located)
    except DataError as error:
        return error
