"""A generator on disk: `config.json` and `weights.safetensors`. Nothing is ever unpickled."""

from typing import Any

from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from preimage.config import Config
from preimage.errors import GeneratorError, StorageError
from preimage.models.config import GeneratorConfig
from preimage.models.dcgan import Generator
from preimage.storage import Folder, canonical_json, digest

CONFIG, WEIGHTS = "config.json", "weights.safetensors"


class GeneratorCard(Config):
    """A generator folder's config.json: how to build it, and where it came from."""

    format: int = 1
    generator: GeneratorConfig
    weights_sha256: str
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, images seen, and the data it was trained on."""

    @property
    def fingerprint(self) -> str:
        """The identity of what the generator computes: architecture and weights, not its history."""
        return digest(canonical_json([self.generator.model_dump(), self.weights_sha256]).encode())


def require_images(generator: GeneratorConfig, size: int, channels: int) -> None:
    """Raise GeneratorError where a generator makes images of another shape than these."""
    if (generator.image_size, generator.channels) != (size, channels):
        side = generator.image_size
        raise GeneratorError(
            f"the generator makes images of {generator.channels} x {side} x {side}, the data is {channels} x "
            f"{size} x {size}: set data.channels={generator.channels} data.size={side}."
        )


def save_generator(generator: Generator, folder: Folder, training: dict[str, Any]) -> GeneratorCard:
    """Write a generator folder; config.json comes last, so that a folder that has one is whole."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    weights = save(state)
    card = GeneratorCard(generator=generator.config, weights_sha256=digest(weights), training=training)
    folder.write(WEIGHTS, weights)
    folder.write_json(CONFIG, card.model_dump())
    return card


def read_card(folder: Folder) -> GeneratorCard:
    """What a generator folder says of itself. Raises GeneratorError where it does not hold one."""
    if not folder.exists(CONFIG):
        raise GeneratorError(
            f"{folder.uri} is not a generator folder: it has no {CONFIG}. "
            "Give the folder a training left behind, or the training run's name."
        )
    try:
        return GeneratorCard.model_validate(folder.read_json(CONFIG))
    except (ValidationError, StorageError) as error:
        raise GeneratorError(f"{folder.uri}/{CONFIG} does not describe a generator: {error}") from error


def load_generator(folder: Folder) -> tuple[Generator, GeneratorCard]:
    """A generator in eval mode, on the CPU, and its card.

    Raises GeneratorError where the folder is incomplete, altered, or its weights fit another shape.
    """
    card = read_card(folder)
    weights = folder.read(WEIGHTS) if folder.exists(WEIGHTS) else b""
    if digest(weights) != card.weights_sha256:
        raise GeneratorError(
            f"{folder.uri}/{WEIGHTS} is missing, cut short or altered: its SHA-256 is not the one in "
            f"{CONFIG}. Copy the folder again, or train again."
        )
    generator = Generator(card.generator)
    try:
        generator.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise GeneratorError(f"{folder.uri}/{WEIGHTS} does not fit {CONFIG}: {error}") from error
    return generator.eval(), card
