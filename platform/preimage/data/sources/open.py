"""Where images come from: one way to open every source, and what each needs on this machine."""

from collections.abc import Callable
from pathlib import Path

from preimage.data.config import SOURCES, DataConfig, SourceKind
from preimage.data.sources.base import AnySource
from preimage.data.sources.listing import hint_for_zip
from preimage.data.sources.plugin_source import require_source
from preimage.data.sources.splits import choose_split
from preimage.errors import DataError, PreimageError, StorageError
from preimage.extras import missing
from preimage.plugins import Plugin
from preimage.storage.address import require_address


def open_source(config: DataConfig) -> AnySource:
    """Open a source, after a download if that is needed and possible.

    Raises DataError if files are missing or invalid.
    """
    return open_located(locate(config))


OpenSource = Callable[[DataConfig], AnySource]
"""Opens a config's source: `open_source`, or a command's catalog, which opens each once."""


def is_here(config: DataConfig) -> bool:
    """Whether a source can be opened without a download. One whose path is wrong counts as here."""
    find = config.kind.find
    return config.path is not None or find is None or find(config) is not None


def known_count(config: DataConfig, open_source: OpenSource = open_source) -> int | None:
    """How many images a config selects, as far as is known without a download or decoding."""
    try:
        available = len(open_source(config)) if is_here(config) else None
    except DataError:
        available = None
    return min((each for each in (available, config.max_images) if each), default=None)


def is_gone(config: DataConfig) -> bool:
    """Whether a config names a local file or folder that does not exist (any more)."""
    path = config.path
    if path is None or config.kind.package or "://" in path or set(path) & set("*?{["):
        return False
    return not Path(path).expanduser().exists()


def name_without_files(config: DataConfig) -> str:
    """Identifies a config's images where its files are not: by its source and path."""
    here = config.path and "://" not in config.path
    path = Path(config.path).expanduser().absolute() if config.path and here else config.path
    return "/".join(str(part) for part in (config.source, config.split, config.category, path) if part)


def locate(config: DataConfig) -> DataConfig:
    """The same config with an absolute `path` filled in, so that a worker elsewhere finds the files.

    Downloads them if that is needed and possible. Raises DataError.
    """
    kind = config.kind
    if kind.package:
        return config.model_copy(update={"path": None})
    if config.path is None:
        if kind.needs_path:
            raise DataError(
                f"source={config.source} needs a path: preimage data prepare {config.source} "
                "data.path=YOUR_FILES"
            )
        root = kind.find(config) if kind.find else None
        root = kind.fetch(config) if kind.fetch and not root else root
        return config.model_copy(update={"path": str(root)}) if root else config
    return config.model_copy(update={"path": _absolute(config.path, kind)})


def open_located(config: DataConfig) -> AnySource:
    """Open a config that `locate` returned. Never downloads.

    Raises DataError, also for whatever else a plugin's source raises, and if it is no source.
    """
    kind, plugin = config.kind, SOURCES.plugin(config.source)
    if kind.splits is not None:
        split = choose_split(kind.splits, config.split, config.source)
        config = config.model_copy(update={"split": split})
    return _of_plugin(config, kind, plugin) if plugin else kind.open(config)


def found(name: str) -> str | None:
    """Where a source is ready on this machine, or None. Looks at file names only. Raises PluginError."""
    kind = SOURCES[name]
    if kind.find:
        root = kind.find(DataConfig.model_construct(source=name))
        return str(root) if root else None
    plugin = SOURCES.plugin(name)
    if kind.package and missing([kind.package]):
        return None
    return kind.package or (str(plugin) if plugin and kind.path == "none" else None)


def _of_plugin(config: DataConfig, kind: SourceKind, plugin: Plugin) -> AnySource:
    try:
        source = require_source(kind.open(config))
        count = len(source)
    except PreimageError:
        raise
    except Exception as error:  # a stranger's code may raise anything
        raise DataError(
            f"the source {config.source!r} of {plugin} cannot be opened ({type(error).__name__}: {error})"
        ) from error
    if count == 0:
        raise DataError(
            f"the source {config.source!r} of {plugin} has no images of split {config.split}: set another "
            "data.split, or other data.options"
        )
    return source


def _absolute(path: str, kind: SourceKind) -> str:
    """An address as it is; a local path made absolute. Raises DataError if there is none, unless the source
    says that itself."""
    if "://" in path:
        return path
    absolute = Path(path).expanduser().absolute()
    if kind.path == "pattern":
        return str(absolute)
    try:
        require_address(path)
    except StorageError as error:
        raise DataError(f"data.path: {error}") from error
    if not absolute.exists():
        raise DataError(f"data.path={path} does not exist{hint_for_zip(path)}")
    return str(absolute)
