"""Which images, and how they are prepared; and what a source of images is to the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from preimage.config import Config, PositiveInt, mistakes_in
from preimage.data.image_shape import Channels, ImageSize, Shape, sides
from preimage.errors import DataError
from preimage.own_settings import NoSettings, OwnSettings, kind_check, own_settings, with_own_settings
from preimage.plugins import Registry, require_installed

if TYPE_CHECKING:
    from preimage.data.sources.base import AnySource

SplitName = Annotated[str, Field(pattern=r"^[^/\\]+$", max_length=100)]
Resample = Literal["bicubic", "bilinear", "lanczos", "box"]


@dataclass(frozen=True)
class SourceKind:
    """A kind of source, as `data.source` names it: how it is opened, and which keys of a config it takes."""

    about: str
    """What its images are, in one line, for `preimage data list`."""
    open: Callable[["DataConfig"], "AnySource"]
    """Opens the images of a config, whose path is absolute. Each process opens them again, and must find the
    same. Never downloads. Raises DataError."""
    options: type[Config] = NoSettings
    """The model of `data.options`, its own settings, which `open` finds in its config."""
    path: Literal["none", "optional", "required", "pattern"] = "none"
    """Whether it takes `data.path`, a file or folder that exists, or an address. `pattern` is required too,
    but the source itself says what is wrong with it."""
    splits: tuple[str, ...] | None = ("train",)
    """Its splits; any other is refused before it is opened. None: its files tell, and it refuses others."""
    unlabeled: bool = False
    """Whether its files may hold the split `unlabeled`."""
    whole: str | None = None
    """The split that holds all others, test images too."""
    test_is_validation: bool = False
    """Whether it publishes no test images, so that its split `test` is its validation set."""
    classes: bool = True
    """False if its images are known to have no classes."""
    columns: bool = False
    """Whether it takes `image_column` and `label_column`."""
    folders: bool = False
    """Whether it takes `class_level`: folders name the classes."""
    categories: bool = False
    """Whether it takes `category`."""
    package: str = ""
    """The installed package whose data its images are: always the same, so its signature identifies them. A
    path is not looked at: `data.source=digits` alone is to change any spec."""
    find: Callable[["DataConfig"], Path | None] | None = None
    """Where its files are on this machine if no path is given; None if they have to be fetched. By default
    there are none to find."""
    fetch: Callable[["DataConfig"], Path] | None = None
    """Downloads its files, and says where they are. Raises DataError that says what to do instead."""

    @property
    def needs_path(self) -> bool:
        return self.path in ("required", "pattern")


_IN = "preimage.data.sources"
SOURCES = Registry(
    "source",
    "sources",
    {
        "digits": f"{_IN}.embedded:DIGITS",
        "mnist-5000": f"{_IN}.embedded:MNIST_5000",
        "fashion-mnist": f"{_IN}.idx:FASHION_MNIST",
        "mnist": f"{_IN}.idx:MNIST",
        "cifar10": f"{_IN}.official:CIFAR10",
        "stl10": f"{_IN}.official:STL10",
        "celeba": f"{_IN}.celeba:CELEBA",
        "lsun": f"{_IN}.lsun:LSUN",
        "imagenet": f"{_IN}.official:IMAGENET",
        "folder": f"{_IN}.folder:FOLDER",
        "parquet": f"{_IN}.parquet:PARQUET",
        "webdataset": f"{_IN}.webdataset:WEBDATASET",
        "arrays": f"{_IN}.arrays:ARRAYS",
        "table": f"{_IN}.table:TABLE",
    },
    kind_check(SourceKind, "options"),
)
"""By the name that `data.source` has."""


def _add_options(schema: dict[str, Any]) -> None:
    options = {name: kind.options for name, kind in SOURCES.working()[0].items()}
    with_own_settings(schema, "source", "options", options)


class DataConfig(Config):
    """A set of images: where they come from, and how they are resized."""

    model_config = ConfigDict(json_schema_extra=_add_options)

    source: Annotated[str, SOURCES]
    """Where the images come from; `preimage data list` describes each."""
    path: str | None = None
    """The dataset's own files; a folder tree of images or a .zip of one; the files of source parquet,
    webdataset, arrays or table. A path, or an address that pyarrow opens, such as s3://bucket/photos."""
    split: SplitName = "train"
    """train, validation, test, or the name of a split's own folder. STL-10 has also unlabeled, CelebA all."""
    class_level: Annotated[int, Field(ge=0)] = 1
    """Which folder below the split names the class: 1 the first, 0 none."""
    image_column: str | None = None
    """The column of a table that holds images or their file names, or the suffix of images in a .tar; needed
    only where it is unclear."""
    label_column: str | None = None
    """The column that holds labels, or the suffix of label files in a .tar."""
    category: str | None = None
    """The LSUN scene, such as bedroom or kitchen."""
    options: OwnSettings = None
    """Settings that this source alone has, as a plugin's may."""
    size: ImageSize = 64
    """Side of the square images in pixels, or [height, width], 8 to 1024 each: an image is resized to cover
    it, then its centre is cropped."""
    channels: Channels = 3
    """1 grey, 3 colour, or 4 colour and opacity (RGBA); with 1 or 3 transparent parts become white."""
    crop: PositiveInt | None = None
    """Side of a centre square cropped first, in original pixels: 118 for CelebA (flexible-priors, E)."""
    resample: Resample = "bilinear"
    """How images are resized, always antialiased. The errors of GLO's PCA are those of bilinear resizing."""
    white: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """The value of white in images of 16 bits: 4095 where they hold 12-bit values; 65535 if not given."""
    max_images: PositiveInt | None = None
    """Use only this many images, drawn evenly by a fixed shuffle."""
    on_error: Literal["stop", "skip"] = "stop"
    """What to do with unreadable images: stop and list them, or skip, count and list them."""

    @property
    def shape(self) -> Shape:
        """(C, H, W)."""
        return self.channels, *sides(self.size)

    @property
    def kind(self) -> SourceKind:
        """What its source is."""
        return SOURCES[self.source]

    @field_validator("options", mode="before")
    @classmethod
    def _are_the_sources(cls, options: Any, info: ValidationInfo) -> Config | None:
        kind = SOURCES.get(name := info.data.get("source"))
        return own_settings(str(name), kind.options, options) if kind else None

    @field_validator("size")
    @classmethod
    def _is_in_bounds(cls, size: ImageSize) -> ImageSize:
        if not all(8 <= side <= 1024 for side in sides(size)):
            raise ValueError("must be from 8 to 1024 pixels a side")
        return size

    @model_validator(mode="after")
    def _split_exists(self) -> "DataConfig":
        if self.split == "unlabeled" and self.kind.splits is None and not self.kind.unlabeled:
            raise ValueError(f"{self.source} has no unlabeled images: set data.split to train or test")
        return self

    @model_validator(mode="after")
    def _keys_fit_source(self) -> "DataConfig":
        if not self.kind.columns:
            for key in ("image_column", "label_column"):
                if getattr(self, key) is not None:
                    kinds = {name: SOURCES.get(name) for name in SOURCES.built_in}
                    others = (name for name, kind in kinds.items() if kind and kind.columns)
                    raise ValueError(
                        f"{self.source} has no columns: remove data.{key}, or set data.source to one of "
                        f"{', '.join(others)}"
                    )
        if not self.kind.folders and self.class_level != 1:
            raise ValueError(f"{self.source} has no folders of classes: remove data.class_level")
        if not self.kind.categories and self.category is not None:
            raise ValueError(
                f"{self.source} has no categories, which are LSUN's scenes: remove data.category"
            )
        if self.kind.path == "none" and not self.kind.package and self.path is not None:
            raise ValueError(f"{self.source} has no files of yours: remove data.path")
        return self


def require_source(values: Any, about: Mapping[str, Any], what: str) -> None:
    """Raise PluginError, which says what to install, if the source of a stored config is a plugin's that is
    missing or cannot be used here. about, what: the product, as `plugins.made_with` has them."""
    name = values.get("source") if isinstance(values, Mapping) else None
    if isinstance(name, str) and name in SOURCES:
        SOURCES[name]
    else:
        require_installed(about, what)


def stored_config(values: Mapping[str, Any], about: Mapping[str, Any], what: str) -> DataConfig:
    """The config that a product keeps of its images. Raises PluginError as `require_source` does, DataError
    if it is no config here for another reason."""
    require_source(values, about, what)
    try:
        return DataConfig.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{what} names images that are none here: {mistakes_in(error)}") from error
