"""Which images, and how they are prepared."""

from typing import Literal

from pydantic import field_validator, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.image_shape import Channels, ImageSize, Shape, sides

SourceName = Literal[
    "digits", "fashion-mnist", "mnist", "cifar10", "stl10", "celeba", "lsun", "imagenet", "folder"
]


class DataConfig(Config):
    """A set of images: where they come from, and how they are resized."""

    source: SourceName
    """Where the images come from; `preimage data list` describes each."""
    path: str | None = None
    """Files already on this machine: the dataset's own files, a folder tree of images, or a .zip of one."""
    split: Literal["train", "test", "unlabeled"] = "train"
    """Only STL-10 has `unlabeled`: 100,000 images without labels."""
    category: str | None = None
    """The LSUN scene, such as bedroom or kitchen."""
    size: ImageSize = 64
    """Side of the square images in pixels, or [height, width], 8 to 1024 each: an image is resized to cover
    it, then its centre is cropped."""
    channels: Channels = 3
    """1 grey, 3 colour, or 4 colour and opacity (RGBA); with 1 or 3 transparent parts become white."""
    crop: PositiveInt | None = None
    """Side of a centre square cropped first, in original pixels: 118 for CelebA (flexible-priors, E)."""
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
