"""The papers' numbers, each with the images that it is of, and in what other images differ from these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from preimage.data.config import DataConfig
from preimage.data.image_shape import sides
from preimage.data.sources.splits import same_split

TRAINING = "training images"
"""The row of real images in denoising-feature-matching's tables."""


@dataclass(frozen=True)
class PaperImages:
    """The images of a published number; None where the paper does not say."""

    source: str | None = None
    split: str | None = "train"
    images: int | None = None
    category: str | None = None
    size: int | None = None
    channels: int | None = None
    crop: int | None = None
    """Side of the square cropped before resizing; None for none."""
    resample: str | None = None

    def differences(self, data: DataConfig, count: int | None = None) -> list[str]:
        """What differs in our images, of which there are `count`, ours first: `32 pixels, not 64`."""
        height, width = sides(data.size)
        size = height if height == width else f"{height} x {width}"
        crop = None if self.size is None else self.crop or "none"  # a paper that names no size names no crop
        pairs: dict[str, tuple[Any, Any]] = {
            "{}, not {}": (data.source, self.source),
            "category {}, not {}": (data.category, self.category),
            "split {}, not {}": (data.split, self._split_for(data)),
            "{:,} of {:,} images": (count, self.images if count else None),
            "{} pixels, not {}": (size, self.size),
            "channels {}, not {}": (data.channels, self.channels),
            "crop {}, not {}": (data.crop or "none", crop),
            "{}, not {}, resizing": (data.resample, self.resample),
        }
        return [
            text.format(ours, theirs) for text, (ours, theirs) in pairs.items() if theirs not in (None, ours)
        ]

    def _split_for(self, data: DataConfig) -> str | None:
        return data.split if self.split and same_split(data.split, self.split) else self.split

    def remark(self, data: DataConfig, count: int | None = None) -> str:
        """A sentence on what differs; empty if nothing does."""
        found = self.differences(data, count)
        return f"Our images differ from the paper's: {'; '.join(found)}." if found else ""


@dataclass(frozen=True)
class Published:
    """Numbers of one kind, of the same images."""

    images: PaperImages
    values: Mapping[str, float]


def closest(published: Iterable[Published], data: DataConfig) -> Published | None:
    """The numbers of the images that ours differ from least; None if there are none of the same source."""
    same = [each for each in published if each.images.source == data.source]
    return min(same, key=lambda each: len(each.images.differences(data)), default=None)


def _glo(
    source: str | None, images: int | None, split: str | None = "train", category: str | None = None
) -> PaperImages:
    """glo's have 3 channels and a short side of 64 pixels; bilinear resizing alone gives its PCA's errors."""
    return PaperImages(source, split, images, category, 64, 3, None, "bilinear")


_GLO_METHODS = ("PCA", "DCAE", "GAN", "GLO (L2)", "GLO (Lap1)")
GLO_ERRORS = tuple(
    Published(images, dict(zip(_GLO_METHODS, errors, strict=True)))
    for images, errors in (
        (_glo("mnist", 60_000), (0.011, 0.0002, 0.016, 0.0001, 0.0001)),
        (_glo("cifar10", 50_000), (0.016, 0.006, 0.022, 0.005, 0.007)),
        (_glo("stl10", 100_000, "unlabeled"), (0.039, 0.023, 0.042, 0.019, 0.023)),
        (_glo("celeba", 202_599, "all"), (0.024, 0.015, 0.030, 0.010, 0.012)),
        (_glo("lsun", 3_033_042, category="bedroom"), (0.036, 0.027, 0.034, 0.021, 0.025)),
    )
)
"""glo, table 1: squared reconstruction errors by method."""

GLO_CONDITION = Published(_glo(None, None, None), {"relative_error": 2e-4})
"""glo, figure 7, which does not name its images."""

DFM_SCORES = (
    Published(PaperImages("cifar10", "train", 50_000, None, 32, 3), {"DFM-GAN": 7.72, TRAINING: 11.24}),
    Published(
        PaperImages("stl10", "unlabeled", 100_000, None, 48, 3),
        {"DFM-GAN": 8.51, "DCGAN": 7.84, TRAINING: 26.08},
    ),
    Published(
        PaperImages("imagenet", "train", 1_281_167, None, 32, 3),
        {"DFM-GAN": 9.18, "DCGAN": 8.83, TRAINING: 25.78},
    ),
)
"""denoising-feature-matching, tables 1 to 3: Inception scores. ImageNet's `DCGAN` is its authors' own."""

CLUSTER_RATIOS = Published(PaperImages("mnist", None), {"untrained": 0.1, "trained": 1.9})
"""flexible-priors, figure 2: of 1,024 digits, in the map."""

INDUCED_PAG = (
    Published(PaperImages("lsun", category="kitchen"), {"before": 1861, "after": 779}),
    Published(PaperImages("lsun", category="bedroom"), {"before": 1810, "after": 746}),
    Published(PaperImages("celeba", None, size=64, channels=3, crop=118), {"before": 2492, "after": 863}),
    Published(PaperImages("cifar10", size=32, channels=3), {"before": 2485, "after": 1064}),
)
"""flexible-priors, figure 5: raw PAG before and after a round, of numbers of codes that it does not state."""

RECOVERED: Mapping[str, Mapping[float, float]] = {
    "none": {1e-4: 0.98, 1e-3: 0.986, 1e-2: 0.998, 1e-1: 1.0},
    "clip": {1e-4: 0.984, 1e-3: 0.99, 1e-2: 1.0, 1e-1: 1.0},
    "stochastic-clip": {1e-4: 1.0, 1e-3: 1.0, 1e-2: 1.0, 1e-1: 1.0},
}
"""precise-recovery, table 1: the share of 1000 codes recovered, by technique and threshold."""

RECOVERED_DISTANCES: Mapping[str, float] = {
    "none": 2.03e-4,
    "clip": 1.36e-4,
    "stochastic-clip": 4.94e-5,
    "prior": 0.0815,
}
"""precise-recovery, table 2: |z - z'| / d of codes found for one unseen image, and of the prior's codes."""
