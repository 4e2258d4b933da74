"""Which images, and how they are prepared."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.image_shape import Channels, ImageSize, Shape, sides

SourceName = Literal[
    "digits", "mnist-5000", "fashion-mnist", "mnist", "cifar10", "stl10", "celeba", "lsun", "imagenet",
    "folder", "parquet", "webdataset", "arrays", "table",
]  # fmt: skip
SplitName = Annotated[str, Field(pattern=r"^[^/\\]+$", max_length=100)]
_OF_COLUMNS = ("parquet", "webdataset", "arrays", "table")
_WITHOUT_FOLDERS = (*_OF_COLUMNS, "digits", "mnist-5000")
Resample = Literal["bicubic", "bilinear", "lanczos", "box"]


class DataConfig(Config):
    """A set of images: where they come from, and how they are resized."""

    source: SourceName
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

    @field_validator("size")
    @classmethod
    def _is_in_bounds(cls, size: ImageSize) -> ImageSize:
        if not all(8 <= side <= 1024 for side in sides(size)):
            raise ValueError("must be from 8 to 1024 pixels a side")
        return size

    @model_validator(mode="after")
    def _split_exists(self) -> "DataConfig":
        if self.split == "unlabeled" and self.source != "stl10":
            raise ValueError(f"{self.source} has no unlabeled images: set data.split to train or test")
        return self

    @model_validator(mode="after")
    def _keys_fit_source(self) -> "DataConfig":
        if self.source not in _OF_COLUMNS:
            for key in ("image_column", "label_column"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{self.source} has no columns: remove data.{key}, or set data.source to one of "
                        f"{', '.join(_OF_COLUMNS)}"
                    )
        if self.source in _WITHOUT_FOLDERS and self.class_level != 1:
            raise ValueError(f"{self.source} has no folders of classes: remove data.class_level")
        if self.source != "lsun" and self.category is not None:
            raise ValueError(
                f"{self.source} has no categories, which are LSUN's scenes: remove data.category"
            )
        return self
