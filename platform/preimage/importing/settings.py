"""What a user says of a generator to import."""

import math
from typing import Annotated, Any

from pydantic import Field, model_validator

from preimage.config import Config, PositiveInt
from preimage.models.config import ClassInput


class ImportSettings(Config):
    """How to call a stranger's network; what it makes, and of which codes."""

    latent_dim: PositiveInt | None = None
    """Components of a code; by default those of `code_shape`."""
    code_shape: tuple[PositiveInt, ...] | None = None
    """The shape in which the network takes one code, such as (64, 1, 1); by default (latent_dim,)."""
    prior: str = "normal"
    """`normal`, N(0, I); `uniform` on [-1, 1]^d; or the folder of a fitted prior."""
    prior_through: str | None = None
    """A method or part of the network, such as `mapping`: the prior is a Gaussian fitted to what it makes of
    codes drawn from `prior`."""
    mapping_dim: PositiveInt | None = None
    """Components of a code that `prior_through` takes; by default what the network says of itself, else as
    many as it makes."""
    space: str = "z"
    """The name of the latent space of the codes, for a network that has several."""
    call: str | None = None
    """The method or part that maps codes to images, such as `synthesis`; by default the network itself."""
    image_range: tuple[float, float] = (-1.0, 1.0)
    """The values of black and white in the network's images."""
    check_range: bool = True
    """Whether to refuse a network whose values do not fill `image_range`, or leave it."""
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    """(C, H, W), for a network whose images have another shape, such as (n, 784)."""
    fixed: dict[str, Any] = Field(default_factory=dict)
    """Further inputs, the same for every code: an integer is a class label, a list a vector."""
    labels: str | None = None
    """The input that takes the class label of each image."""
    classes: Annotated[int, Field(ge=0)] = 0
    """The number of classes, with `labels`."""
    class_input: ClassInput = "index"
    """How that input takes a label: as int64 (n,), or as float32 (n, classes)."""
    output: int | str | None = None
    """Which of several outputs are the images: a place in a tuple, or a name."""

    @model_validator(mode="after")
    def _belong_together(self) -> "ImportSettings":
        wrong = []
        if self.code_shape and self.latent_dim and math.prod(self.code_shape) != self.latent_dim:
            wrong.append(
                f"codes of shape {self.code_shape} have {math.prod(self.code_shape)} components, not "
                f"{self.latent_dim}: leave latent_dim out"
            )
        if not self.image_range[0] < self.image_range[1]:
            wrong.append(f"the range must go from low to high but is {self.image_range}")
        if bool(self.labels) != bool(self.classes):
            wrong.append("labels and classes go together: the input's name, and the number of classes")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def dim(self) -> int | None:
        """The components of a code, if they are said."""
        return math.prod(self.code_shape) if self.code_shape else self.latent_dim
