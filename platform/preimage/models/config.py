"""The architectures of generators."""

from typing import Annotated, Literal

from pydantic import Field

from preimage.config import Config, PositiveInt
from preimage.data.image_shape import Channels, ImageSize, Shape, sides
from preimage.latents.priors import PriorName
from preimage.models.dcgan_size import DcganSize


class ModelConfig(Config):
    """A DCGAN's generator, and its mirror image (Radford et al. 2015; glo, 3.1; flexible-priors, E)."""

    latent_dim: PositiveInt = 100
    """Components of a latent code."""
    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    """Side of the convolution filters in pixels."""
    base_channels: PositiveInt = 64
    """Filters of the layer next to the image; each layer away from it has twice as many."""


class GanModelConfig(ModelConfig):
    """A DCGAN's generator and discriminator."""

    prior: Literal["normal", "uniform"] = "normal"
    """Codes are drawn from N(0, I), or uniformly from [-1, 1]^d."""


class GeneratorConfig(Config):
    """Everything needed to rebuild a generator: the first part of a generator folder's config.json."""

    architecture: str
    latent_dim: PositiveInt
    prior: PriorName
    """The prior that codes are drawn from; the parameters of a fitted prior are stored beside the weights."""
    image_size: ImageSize
    """Side in pixels, or (height, width)."""
    channels: Channels

    @property
    def shape(self) -> Shape:
        """An image's, (C, H, W)."""
        return self.channels, *sides(self.image_size)


class DcganConfig(GeneratorConfig):
    """The generator of a DCGAN."""

    architecture: Literal["dcgan"] = "dcgan"
    image_size: DcganSize
    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    base_channels: PositiveInt = 64


class LinearConfig(GeneratorConfig):
    """A mean image, and one image for each component of the code: the decoder of PCA."""

    architecture: Literal["linear"] = "linear"


AnyGeneratorConfig = Annotated[DcganConfig | LinearConfig, Field(discriminator="architecture")]
