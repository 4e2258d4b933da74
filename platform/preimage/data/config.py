"""Which images, and how they are prepared."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from preimage.config import Config, PositiveInt

SourceName = Literal[
    "digits", "fashion-mnist", "mnist", "cifar10", "stl10", "celeba", "lsun", "imagenet", "folder"
]


class DataConfig(Config):
    """A set of images: where they come from and the size they are brought to."""

    source: SourceName
    """Where the images come from; `preimage data list` describes each."""
    path: str | None = None
    """Files already on this machine: the dataset's own files, a tree of images or a .zip of one."""
    split: Literal["train", "test", "unlabeled"] = "train"
    """STL-10 alone has a third one: 100,000 images without labels."""
    category: str | None = None
    """LSUN's scene, such as bedroom or kitchen."""
    size: Annotated[int, Field(ge=8, le=1024)] = 64
    """Side of the square images in pixels: the short side is resized to it, then the centre is cut out."""
    channels: Literal[1, 3] = 3
    crop: PositiveInt | None = None
    """A centre square cut out first, in pixels of the original: 118 for CelebA (flexible-priors, sect. E)."""
    max_images: PositiveInt | None = None
    """Use this many images only, drawn evenly: a fixed shuffle decides which."""
    on_error: Literal["stop", "skip"] = "stop"
    """What an unreadable image does: stop with a list of offenders, or be left out, counted and listed."""

    @model_validator(mode="after")
    def _a_split_that_there_is(self) -> "DataConfig":
        if self.split == "unlabeled" and self.source != "stl10":
            raise ValueError(f"{self.source} has no unlabeled images: set data.split to train or test")
        return self
