"""The papers' numbers, each with the images and the settings that it is of, and in what ours differ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from preimage.data.config import DataConfig
from preimage.data.image_shape import sides
from preimage.data.sources.splits import same_split
from preimage.models.cards import GeneratorCard
from preimage.models.config import classes_known

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


Setting = int | float | str


_IN_WORDS = {
    "base_channels": "width",
    "inversion": "",
    "kernel_size": "kernel",
    "latent_dim": "d",
    "lr_halving_steps": "lr halved every",
    "max_iterations": "iterations at most",
    "model": "",
    "settings": "",
    "solver": "",
    "unseen": "unseen images",
}
"""Names of keys, where the key itself says it less well."""


def in_words(key: str) -> str:
    """The name of a setting, by its dotted key."""
    name = key.rpartition(".")[2]
    return _IN_WORDS.get(name, name.replace("_", " "))


def beside(key: str, ours: Setting, theirs: Setting | None, whose: str = "the paper's ") -> str:
    """A setting, and where it differs the paper's: `1,000 of the paper's 100,000 steps`, `lr 0.05, not the
    paper's 0.1`. A count stands before the name of what it counts, which is a plural."""
    name, mine = in_words(key), _number(ours)
    counts = isinstance(ours, int) and name.endswith("s")
    counted = name.removesuffix("s") if ours == 1 else name
    text = f"{mine} {counted}" if counts else f"{name} {mine}".strip()
    if theirs is None or ours == theirs:
        return text
    if isinstance(ours, int) and isinstance(theirs, int) and counts and ours < theirs:
        return f"{mine} of {whose}{theirs:,} {name}"
    return f"{text}, not {whose}{_number(theirs)}"


def _number(value: Setting) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


@dataclass(frozen=True)
class PaperSettings:
    """How a paper's numbers were made; None where it does not say."""

    settings: Mapping[str, Setting]
    """By the dotted keys of our job."""
    source: str | None = None
    """What the generator was trained on."""
    size: int | None = None
    """The side of its images in pixels."""
    latent_dim: int | None = None
    activation: str | None = None
    """Of its generator."""
    condition: Literal["conditional"] | None = None
    """Whether that knows classes."""

    def remark(self, job: object, generator: GeneratorCard | None = None) -> str:
        """A sentence on what differs in a job, and in the generator that it takes; empty if nothing does."""
        ours: dict[str, Any] = {key: reduce(_part, key.split("."), job) for key in self.settings}
        found = [
            beside(key, ours[key], theirs, whose="")
            for key, theirs in self.settings.items()
            if ours[key] not in (None, theirs)  # what is absent, as the rate of a search, is no other value
        ]
        found += self._of_generator(generator) if generator else []
        return f"Our settings differ from the paper's: {'; '.join(found)}." if found else ""

    def _of_generator(self, card: GeneratorCard) -> list[str]:
        height, width = sides(card.generator.image_size)
        pairs: dict[str, tuple[Any, Any]] = {
            "a generator of {} images, not {}": (card.training.get("data", {}).get("source"), self.source),
            "{} pixels, not {}": (height if height == width else f"{height} x {width}", self.size),
            "codes of {} components, not {}": (card.generator.latent_dim, self.latent_dim),
            "{}, not {}": (getattr(card.generator, "activation", None), self.activation),
            "{}, not {} on classes": (
                "conditional" if classes_known(card.generator) else "unconditional",
                self.condition,
            ),
        }
        return [
            text.format(ours, theirs) for text, (ours, theirs) in pairs.items() if theirs not in (None, ours)
        ]


def _part(whole: Any, name: str) -> Any:
    return whole[name] if isinstance(whole, Mapping) else getattr(whole, name)


@dataclass(frozen=True)
class Published:
    """Numbers of one kind, of the same images."""

    images: PaperImages
    values: Mapping[str, float]
    training: str = ""
    """A sentence on how long the paper trained, and on codes of how many components."""

    def remark(self, data: DataConfig, count: int | None = None) -> str:
        """Sentences on what differs in our images, of which there are `count`, and on how it trained."""
        return f"{self.images.remark(data, count)} {self.training}".strip()


_PART_OF = {"mnist-5000": "mnist"}
"""Sources that are a part of another: its numbers may stand beside theirs, with what differs."""


def closest(published: Iterable[Published], data: DataConfig) -> Published | None:
    """The numbers of the images that ours differ from least; None if there are none of the same source, or of
    the one that ours is a part of."""
    sources = {data.source, _PART_OF.get(data.source)}
    same = [each for each in published if each.images.source in sources]
    return min(same, key=lambda each: len(each.images.differences(data)), default=None)


def _glo(
    source: str | None, images: int | None, split: str | None = "train", category: str | None = None
) -> PaperImages:
    """glo's have 3 channels and a short side of 64 pixels; bilinear resizing alone gives its PCA's errors."""
    return PaperImages(source, split, images, category, 64, 3, None, "bilinear")


_GLO_TRAINING = "The paper's codes have 100 components. It does not say how long it trained."
_GLO_METHODS = ("PCA", "DCAE", "GAN", "GLO (L2)", "GLO (Lap1)")
GLO_ERRORS = tuple(
    Published(images, dict(zip(_GLO_METHODS, errors, strict=True)), _GLO_TRAINING)
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

_UNSAID = "The paper does not say how many images its networks saw."
DFM_SCORES = (
    Published(
        PaperImages("cifar10", "train", 50_000, None, 32, 3), {"DFM-GAN": 7.72, TRAINING: 11.24}, _UNSAID
    ),
    Published(
        PaperImages("stl10", "unlabeled", 100_000, None, 48, 3),
        {"DFM-GAN": 8.51, "DCGAN": 7.84, TRAINING: 26.08},
        "The paper's networks saw 5,000,000 images: 50 epochs.",
    ),
    Published(
        PaperImages("imagenet", "train", 1_281_167, None, 32, 3),
        {"DFM-GAN": 9.18, "DCGAN": 8.83, TRAINING: 25.78},
        _UNSAID,
    ),
)
"""denoising-feature-matching, tables 1 to 3: Inception scores. ImageNet's `DCGAN` is its authors' own."""

CLUSTER_RATIOS = Published(PaperImages("mnist", None), {"untrained": 0.1, "trained": 1.9})
"""flexible-priors, figure 2: of 1,024 digits, in the map."""

_INDUCED_TRAINING = "The paper's codes have 20 components. It does not say how long it trained."
INDUCED_PAG = tuple(
    Published(images, {"before": before, "after": after}, _INDUCED_TRAINING)
    for images, before, after in (
        (PaperImages("lsun", category="kitchen"), 1861, 779),
        (PaperImages("lsun", category="bedroom"), 1810, 746),
        (PaperImages("celeba", None, size=64, channels=3, crop=118), 2492, 863),
        (PaperImages("cifar10", size=32, channels=3), 2485, 1064),
    )
)
"""flexible-priors, figure 5: raw PAG before and after a round, of numbers of codes that it does not state."""

RECOVER = PaperSettings(
    {"codes": 1000, "unseen": 1, "repeats": 1000},
    size=64,
    latent_dim=100,
)
"""precise-recovery, tables 1 and 2, of Radford's DCGAN. It names no images."""

RECOVER_DESCENT = PaperSettings({"solver": "gradient-descent", "steps": 100_000})
"""Its search. The rate is attenuated over time; the paper names no number. Its authors' code begins with 1
and halves it every 50,000 steps."""

RECOVER_PARTIAL = PaperSettings(
    {"inversion.solver": "adam", "inversion.lr": 0.1, "inversion.steps": 500},
    "mnist",
    size=32,
    latent_dim=10,
    activation="leaky-relu",
    condition="conditional",
)
"""partial-measurements, section 4.3, figure 5: a conditional DCGAN. It does not count its codes."""

RANDOM_WEIGHTS = PaperSettings({"base_channels": 64, "lr": 0.05, "steps": 400})
"""flexible-priors, sections C and E, figures 6 and 7. Figure 6 names neither its images nor its networks."""

ANALYZE_CODES = PaperSettings({"codes": 1024, "samples": 1000, "shown": 20}, latent_dim=20)
"""flexible-priors, sections 4 to 4.2."""

INCEPTION_SCORES = PaperSettings({"images": 50_000, "splits": 10})
"""denoising-feature-matching, section 2: 10 groups of 5,000 samples."""

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
