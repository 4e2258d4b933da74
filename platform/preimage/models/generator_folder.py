"""A generator on disk: `config.json`, `weights.safetensors`, and the folder `prior` for a fitted one.
Nothing is ever unpickled."""

from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import nn

from preimage.config import Config
from preimage.data.image_shape import Shape, settings_text, shape_text
from preimage.errors import GeneratorError
from preimage.latents.fitted import FittedPrior
from preimage.latents.priors import PRIORS, Prior, make_prior
from preimage.models.build import build_generator
from preimage.models.config import AnyGeneratorConfig, GeneratorConfig
from preimage.models.prior_folder import load_fitted, read_prior_card, save_prior
from preimage.models.weights import CONFIG, WEIGHTS, load_weights, packed, read_config
from preimage.storage.folder import Folder, canonical_json, digest

PRIOR = "prior"


class GeneratorCard(Config):
    """A generator folder's config.json: how to build it, and where it came from."""

    format: int = 1
    generator: AnyGeneratorConfig
    weights_sha256: str
    prior_fingerprint: str | None = None
    """Of a fitted prior; None for the fixed ones."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Provenance: the job, its fingerprint, images seen, and the data it was trained on."""

    @property
    def fingerprint(self) -> str:
        """Identifies what the generator computes: architecture and weights, not its history."""
        return digest(canonical_json([self.generator.model_dump(), self.weights_sha256]).encode())


def require_images(generator: GeneratorConfig, shape: Shape) -> None:
    """Raise GeneratorError if a generator's images have another shape, (C, H, W), than these."""
    if generator.shape != shape:
        raise GeneratorError(
            f"the generator makes images of {shape_text(generator.shape)}, but the data is "
            f"{shape_text(shape)}: set {settings_text(generator.shape)}."
        )


def save_generator(
    generator: nn.Module,
    folder: Folder | str | Path,
    training: dict[str, Any],
    prior: FittedPrior | None = None,
) -> GeneratorCard:
    """Write a generator folder; config.json comes last, so a folder that has it is complete.

    generator: a module whose `config` is a GeneratorConfig. prior: the fitted prior, if its config says so.
    """
    folder, weights = Folder.at(folder), packed(generator.state_dict())
    fitted = save_prior(prior, folder / PRIOR, training) if prior else None
    card = GeneratorCard(
        generator=generator.config,  # pyright: ignore[reportArgumentType]
        weights_sha256=digest(weights),
        prior_fingerprint=fitted.fingerprint if fitted else None,
        training=training,
    )
    folder.write(WEIGHTS, weights)
    folder.write_json(CONFIG, card.model_dump())
    return card


def read_card(folder: Folder) -> GeneratorCard:
    """The card in a generator folder. Raises GeneratorError if the folder holds no generator."""
    return read_config(folder, GeneratorCard, "generator", GeneratorError)


def load_generator(folder: Folder | str | Path) -> tuple[nn.Module, GeneratorCard]:
    """A generator in eval mode, on the CPU, and its card.

    Raises GeneratorError if the folder is incomplete or altered, or the weights have the wrong shape.
    """
    folder = Folder.at(folder)
    card = read_card(folder)
    build = partial(build_generator, card.generator)
    return load_weights(build, folder, card.weights_sha256, GeneratorError), card


def load_prior(folder: Folder | str | Path, card: GeneratorCard) -> Prior:
    """The prior of a generator's codes. Raises GeneratorError or PriorError if a fitted one is missing or
    altered."""
    folder, about = Folder.at(folder), card.generator
    if about.prior in PRIORS:
        return make_prior(about.prior, about.latent_dim)
    beside = folder / PRIOR
    found = read_prior_card(beside)
    if (found.fingerprint, found.latent_dim) != (card.prior_fingerprint, about.latent_dim):
        raise GeneratorError(
            f"{beside.uri} is not the prior that {folder.uri}/{CONFIG} expects: copy both again"
        )
    return load_fitted(beside)
