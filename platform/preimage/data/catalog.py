"""The image sets of one command: each source is opened once, however many steps ask about it."""

from collections.abc import Callable

from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.dataset import MANIFEST, Dataset
from preimage.data.prepare import dataset_key, dataset_name, prepare
from preimage.data.sources import Source, known_count, locate, open_located
from preimage.errors import DataError
from preimage.storage.folder import Folder


class Catalog:
    """What is known about image sets, by config. It is not sent to workers."""

    def __init__(self, datasets: Folder) -> None:
        """datasets: where prepared images are."""
        self.datasets = datasets
        self._sources: dict[str, Source | DataError] = {}
        self._keys: dict[str, str] = {}

    def open(self, config: DataConfig) -> Source:
        """The source of a config. Raises DataError if files are missing or invalid."""
        located = locate(config)
        place = located.model_dump_json(include={"source", "path", "split", "category"})
        if place not in self._sources:
            self._sources[place] = _opened(located)
        source = self._sources[place]
        if isinstance(source, DataError):
            raise DataError(str(source))
        return source

    def key(self, config: DataConfig) -> str:
        """Identifies a prepared dataset: its settings, and the files they select. Raises DataError."""
        settings = config.model_dump_json()
        if settings not in self._keys:
            self._keys[settings] = dataset_key(config, self.open)
        return self._keys[settings]

    def folder(self, config: DataConfig) -> Folder:
        """Where the prepared dataset is, or will be. Raises DataError."""
        return self.datasets / dataset_name(config, self.key(config))

    def is_prepared(self, config: DataConfig) -> bool:
        return self.folder(config).exists(MANIFEST)

    def count(self, config: DataConfig | None) -> int | None:
        """How many images a config selects; None if only a download or decoding would tell."""
        if not config:
            return None
        prepared = self.prepared(config)
        return prepared.count if prepared else known_count(config, self.open)

    def prepared(self, config: DataConfig) -> Dataset | None:
        """The prepared images; None if they are not, or damaged: what is missing is prepared when needed."""
        folder = self.folder(config)
        try:
            return Dataset.open(folder) if folder.exists(MANIFEST) else None
        except DataError:
            return None

    def prepare(
        self, config: DataConfig, resources: Resources, on_progress: Callable[[int, int], None]
    ) -> Dataset:
        """The prepared images; prepares them first if needed. Raises DataError, StorageError."""
        return prepare(
            config,
            self.datasets,
            workers=resources.workers,
            cpus=resources.cpus_per_worker,
            backend=resources.backend,
            on_progress=on_progress,
            open_source=self.open,
        )


def _opened(located: DataConfig) -> Source | DataError:
    try:
        return open_located(located)
    except DataError as error:
        return error
