"""The architectures of generators."""

from operator import not_
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from preimage.config import Config, PositiveInt
from preimage.data.image_shape import Channels, ImageSize, Shape, sides
from preimage.errors import PriorError
from preimage.latents.priors import PriorName
from preimage.models.dcgan_size import DcganSize

Activation = Annotated[Literal["relu", "leaky-relu"], Field(exclude_if=lambda name: name == "relu")]
"""What follows each BatchNorm of a generator: ReLU, or leaky ReLU 0.2."""
ClassCount = Annotated[int, Field(ge=0, exclude_if=not_)]
"""How many classes networks are conditional on; 0: on none."""


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
    activation: Activation = "relu"
    """Of the generator, after each BatchNorm: ReLU, or leaky ReLU 0.2 (partial-measurements, section 4.3)."""


class ConditionalModelConfig(GanModelConfig):
    """A DCGAN's generator and discriminator, which may be conditional on classes."""

    classes: ClassCount = 0
    """The number of the images' classes, to condition both networks on them (Mirza and Osindero 2014): the
    generator takes an image's class beside its code, the discriminator beside the image. 0: neither does."""


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
    activation: Activation = "relu"
    classes: ClassCount = 0


class LinearConfig(GeneratorConfig):
    """A mean image, and one image for each component of the code: the decoder of PCA."""

    architecture: Literal["linear"] = "linear"


ClassInput = Literal["index", "one-hot"]
"""How a network takes class labels."""


class CodeConfig(Config):
    """How a user's own code is called, for a network that torch.export does not take."""

    target: str
    """A class or function that makes the network, or the network: `mypkg.nets:Decoder`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The arguments of that class or function."""
    call: str | None = None
    """The method or part of the network that maps codes to images; null: the network itself."""
    fixed: dict[str, Any] = Field(default_factory=dict)
    """Further inputs by name, the same for every code: an integer is a class label, a list a vector."""
    labels: str | None = None
    """The input that takes the class label of each code."""
    output: int | str | None = None
    """Which of several outputs are the images: a place in a tuple, or a name."""


class ImportedConfig(GeneratorConfig):
    """A network that was trained elsewhere, and how its codes, class labels and images become ours."""

    architecture: Literal["imported"] = "imported"
    space: str = "z"
    """The name of the latent space that its codes are in, for a network that has several: z, w."""
    code_shape: tuple[PositiveInt, ...] | None = None
    """The shape in which the network takes one code; null: (d,)."""
    image_range: tuple[float, float] = (-1.0, 1.0)
    """The values of black and white in the network's images."""
    classes: Annotated[int, Field(ge=0)] = 0
    """The number of classes, if the network takes a class label with every code."""
    class_input: ClassInput = "index"
    """How the network takes a class label: (n,) int64, or (n, classes) float32."""
    code: CodeConfig | None = None
    """The code that builds the network; null: the folder holds it as a program."""

    @model_validator(mode="after")
    def _range_is_one(self) -> "ImportedConfig":
        if not self.image_range[0] < self.image_range[1]:
            raise ValueError(f"image_range must go from low to high but is {self.image_range}")
        return self


def classes_known(config: GeneratorConfig) -> int:
    """How many classes a generator is conditional on, so that it takes a label with every code; 0: none."""
    return config.classes if isinstance(config, DcganConfig | ImportedConfig) else 0


AnyGeneratorConfig = Annotated[
    DcganConfig | LinearConfig | ImportedConfig, Field(discriminator="architecture")
]


class PganConfig(Config):
    """A generator and a discriminator of codes, four fully connected layers each."""

    noise_dim: PositiveInt | None = None
    """Components of the noise; at least those of the code, which is the default."""
    width: PositiveInt = 256
    """Units of each hidden layer."""

    def noise_for(self, latent_dim: int) -> int:
        """The number of noise components for codes of this many. Raises PriorError if it is smaller."""
        noise = self.noise_dim or latent_dim
        if noise < latent_dim:
            raise PriorError(
                f"model.noise_dim={noise} is smaller than the code, which has {latent_dim} components: "
                f"generated codes would lie on a surface of {noise} dimensions. Set {latent_dim} or more."
            )
        return noise
