"""Which images, and how they are prepared."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from preimage.config import Config, PositiveInt

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
    size: Annotated[int, Field(ge=8, le=1024)] = 64
    """Side of the square images in pixels: the short side is resized to it, then the centre is cropped."""
    channels: Literal[1, 3] = 3
    crop: PositiveInt | None = None
    """Side of a centre square cropped first, in original pixels: 118 for CelebA (flexible-priors, E)."""
    max_images: PositiveInt | None = None
    """Use only this many images, drawn evenly by a fixed shuffle."""
    on_error: Literal["stop", "skip"] = "stop"
    """What to do with unreadable images: stop and list them, or skip, count and list them."""

    @model_validator(mode="after")
    def _split_exists(self) -> "DataConfig":
        if self.split == "unlabeled" and self.source != "stl10":
            raise ValueError(f"{self.source} has no unlabeled images: set data.split to train or test")
        return self
