"""The settings of training runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.errors import PreimageError

if TYPE_CHECKING:
    import torch
    from torch import nn

Fraction = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """The optimiser, the same for every network of the job."""

    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: PositiveFloat = 2e-4
    """Learning rate, on losses averaged over the batch."""
    beta1: Fraction = 0.5
    """Adam's first decay rate."""
    decay: Fraction = 0.99
    """RMSProp's decay of the mean square: 0.99 is torch's, 0.9 Tieleman and Hinton's (2012)."""
    momentum: Fraction = 0.0
    """Momentum of SGD and RMSProp."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """The constant of the L2 penalty on the weights."""

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of a network on a CPU or a CUDA GPU, by torch's fastest implementation there."""
        import torch

        parameters = list(network.parameters())
        on_gpu = parameters[0].is_cuda
        if self.name == "adam":
            return torch.optim.Adam(
                parameters, self.lr, (self.beta1, 0.999), weight_decay=self.weight_decay, fused=True
            )
        rest: dict[str, Any] = {"momentum": self.momentum, "weight_decay": self.weight_decay}
        if self.name == "rmsprop":  # which has no fused implementation
            return torch.optim.RMSprop(
                parameters, self.lr, self.decay, **rest, foreach=True, capturable=on_gpu
            )
        # On a CPU the fused one copies weights with channels last, and takes three times as long.
        how = {"fused": True} if on_gpu else {"foreach": True}
        return torch.optim.SGD(parameters, self.lr, **rest, **how)


class LoopConfig(Config):
    """How long to train, and what to save on the way. Everything is counted in images seen."""

    total_images: PositiveInt = 1_000_000
    """Total training images seen, rounded up to whole batches."""
    batch_size: Annotated[int, Field(ge=2)] = 100
    """Images per step, over all workers together."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """How a step multiplies; weights, optimisers, scores and exports are float32. tf32 rounds the factors of
    convolutions and matrix products to 10 bits on NVIDIA GPUs, and is float32 on a CPU; bf16 computes them in
    bfloat16 by autocast."""
    compile: bool = False
    """Compile the networks (torch.compile) at the first step of every start."""
    log_every: PositiveInt = 10_000
    """Average and record metrics after every this many images."""
    sample_every: PositiveInt = 100_000
    """Draw a grid of samples, always of the same codes, after every this many images."""
    checkpoint_every: PositiveInt = 100_000
    """Score, and save a checkpoint, after every this many images. A killed worker loses no more, or the work
    of `resources.checkpoint_seconds`."""
    select_by: str | None = None
    """A recorded metric. The checkpoint with its best value is kept too, and becomes the generator."""
    mode: Literal["min", "max"] | None = None
    """Whether its lowest or its highest value is the best; by default the highest for scores, entropy and
    accuracy, the lowest for all other metrics."""

    @property
    def lowest_is_best(self) -> bool:
        if self.mode is None:
            return not (self.select_by or "").endswith(("_score", "_entropy", "_accuracy"))
        return self.mode == "min"


class DenoiserConfig(Config):
    """The denoiser of the discriminator's features, and its weight in the generator's loss."""

    depth: PositiveInt = 10
    """Hidden layers."""
    width: PositiveInt | None = None
    """Units of each hidden layer; at least the number of features, which is the default."""
    noise: PositiveFloat = 1.0
    """Standard deviation of the Gaussian noise that corrupts the features of real images."""
    lambda_denoise: Annotated[float, Field(ge=0)] = 0.03
    """Weight of the squared distance from generated features to their denoised values."""
    distance: Literal["mean", "sum"] = "mean"
    """The squared distance's mean over the n features, so that 0.03 is the paper's 0.03 / n on the sum; or
    their sum."""
    lambda_adversarial: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the generator's usual loss."""

    def weight(self, features: int) -> float:
        """lambda_denoise of equation 4, the weight of the sum over this many features."""
        return self.lambda_denoise / (features if self.distance == "mean" else 1)

    def width_for(self, features: int) -> int:
        """Units of a hidden layer. Raises PreimageError for a denoiser narrower than its input."""
        width = self.width or features
        if width < features:
            raise PreimageError(
                f"denoiser.width={width} is narrower than its input of {features:,} features, which it could "
                f"not reconstruct: set denoiser.width={features} or more, a larger feature_pool, or a "
                "smaller model.base_channels"
            )
        return width


class CodesConfig(Config):
    """How GLO's codes are learned."""

    init: Literal["pca", "pca-whitened", "random"] = "pca"
    """Initial codes: the images' principal components, as they are or scaled to equal variances, so that all
    directions count from the start; or draws from N(0, I / d)."""
    lr: PositiveFloat = 0.1
    """Learning rate of a code, on its own image's loss."""


StopRule = Callable[[int, Mapping[str, float]], str | None]
"""(images seen, the metrics recorded there): why to stop, or None to continue."""
