"""The cards of networks on disk: config.json, which says what a folder holds and where it came from."""

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field, ValidationError

from preimage.config import Config, PositiveInt, mistakes_in, unknown
from preimage.data.image_shape import Channels, Shape, settings_text, shape_text, sides
from preimage.errors import ClassifierError, GeneratorError, PreimageError, PriorError, StorageError
from preimage.latents.prior_kinds import PRIOR_KINDS
from preimage.models.config import AnyGeneratorConfig, GeneratorConfig, ImportedConfig
from preimage.models.dcgan_size import DcganSize
from preimage.plugins import require_installed
from preimage.storage import formats
from preimage.storage.folder import Folder, canonical_json, digest
from preimage.storage.formats import Kept, Kind

Card = TypeVar("Card", bound=Kept)

CONFIG, WEIGHTS = "config.json", "weights.safetensors"
PRIOR = "prior"
"""The folder of a fitted prior within a generator's."""


def read_config(folder: Folder, card: type[Card], error: type[PreimageError]) -> Card:
    """The card in a network's folder. Raises `error` if there is no readable one, FormatError if it is of
    another format."""
    what = card.kept_as.title
    try:
        found = folder.find(CONFIG)
        if found is None:
            raise error(
                f"{folder.uri} is not a {what} folder: it has no {CONFIG}. "
                "Give the folder that a training run left, or the run's name."
            )
        value = folder.parsed(CONFIG, found)
        card.kept_as.require(value, folder)
        return card.model_validate(value)
    except ValidationError as caught:
        raise error(f"{folder / CONFIG} does not describe a {what}: {mistakes_in(caught)}") from caught
    except StorageError as caught:
        raise error(f"{folder / CONFIG} does not describe a {what}: {caught}") from caught


class GeneratorCard(Kept):
    """A generator folder's config.json: how to build it, and where it came from."""

    kept_as: ClassVar[Kind] = formats.GENERATOR
    generator: AnyGeneratorConfig
    weights_sha256: str
    program_sha256: str | None = None
    """Of a stranger's network, if it is stored as a program."""
    prior_fingerprint: str | None = None
    """Of a fitted prior; None for the fixed ones."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, images seen, and the data it was trained on."""

    @property
    def fingerprint(self) -> str:
        """Identifies what the generator computes: architecture and weights, not its history."""
        parts = [self.generator.model_dump(), self.weights_sha256]
        if isinstance(self.generator, ImportedConfig):  # of one trained here, the run identifies the prior
            parts += [self.program_sha256, self.prior_fingerprint]
        return digest(canonical_json(parts).encode())


def require_images(generator: GeneratorConfig, shape: Shape) -> None:
    """Raise GeneratorError if a generator's images have another shape, (C, H, W), than these."""
    if generator.shape != shape:
        raise GeneratorError(
            f"the generator makes images of {shape_text(generator.shape)}, but the data is "
            f"{shape_text(shape)}: set {settings_text(generator.shape)}."
        )


def read_card(folder: Folder) -> GeneratorCard:
    """The card in a generator folder. Raises GeneratorError if the folder holds no generator."""
    return read_config(folder, GeneratorCard, GeneratorError)


class ClassifierConfig(Config):
    """Everything needed to rebuild a classifier."""

    image_size: DcganSize
    """Side in pixels, or (height, width)."""
    channels: Channels
    classes: Annotated[int, Field(ge=2)]
    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    base_channels: PositiveInt = 32
    """Filters in the layer next to the image; each layer further in has twice as many."""

    @property
    def shape(self) -> Shape:
        """An image's, (C, H, W)."""
        return self.channels, *sides(self.image_size)


class ClassifierCard(Kept):
    """A classifier folder's config.json: how to build it, how good it is, and where it came from."""

    kept_as: ClassVar[Kind] = formats.CLASSIFIER
    classifier: ClassifierConfig
    classes: list[str]
    """Names by label."""
    accuracy: float
    """The fraction of held-out images that it classifies correctly."""
    held_out: str
    """Which images those were."""
    weights_sha256: str
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, images seen, and the data it was trained on."""

    @property
    def fingerprint(self) -> str:
        """Identifies what the classifier computes."""
        return digest(canonical_json([self.classifier.model_dump(), self.weights_sha256]).encode())


def read_classifier_card(folder: Folder) -> ClassifierCard:
    """The card in a classifier folder. Raises ClassifierError if the folder holds no classifier."""
    return read_config(folder, ClassifierCard, ClassifierError)


class PriorCard(Kept):
    """A prior folder's config.json: what it is, and where it came from."""

    kept_as: ClassVar[Kind] = formats.PRIOR
    kind: str
    latent_dim: PositiveInt
    weights_sha256: str
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, the plugins, and the store that it was fitted to."""

    @property
    def fingerprint(self) -> str:
        """Identifies the distribution, not its history."""
        return digest(canonical_json([self.kind, self.latent_dim, self.weights_sha256]).encode())


def read_prior_card(folder: Folder) -> PriorCard:
    """The card in a prior folder. Raises PriorError if the folder holds no prior, PluginError if it was made
    by a plugin that is not installed."""
    card = read_config(folder, PriorCard, PriorError)
    if card.kind not in PRIOR_KINDS or PRIOR_KINDS.plugin(card.kind):
        require_installed(card.training, f"the prior in {folder.uri}")
    if card.kind not in PRIOR_KINDS:
        problem = unknown(card.kind, list(PRIOR_KINDS), "kind of prior")
        raise PriorError(f"{folder / CONFIG} describes a prior of kind {card.kind!r}: {problem}")
    return card
