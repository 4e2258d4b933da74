"""DFM-GAN as an algorithm (denoising-feature-matching, sections 3 and 5)."""

from math import prod
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import avg_pool2d

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.data.image_shape import shape_text
from preimage.errors import PreimageError
from preimage.models.config import DcganConfig
from preimage.models.dcgan import layer_shapes
from preimage.models.denoiser import build_denoiser
from preimage.objectives.dfm import denoising_loss, feature_loss
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.random_streams import Stream
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.gan import FROM_SCRATCH, GanAlgorithm, InitFrom, metrics_of
from preimage.training.precision import upcast

METRICS = ("denoising_error", "feature_gap")
"""What a step records beside a GAN's metrics: ||h - r(C(h))||^2 / n of real images, and ||h - r(h)||^2 / n of
generated ones."""


class DenoiserConfig(Config):
    """The denoiser of the discriminator's features, and its weight in the generator's loss."""

    layer: PositiveInt | None = None
    """The discriminator's layer whose features it models, counted from the image; the last by default."""
    pool: PositiveInt = 1
    """Side of the squares over which the layer's maps are averaged first: fewer features to denoise."""
    depth: PositiveInt = 10
    """Hidden layers."""
    width: PositiveInt | None = None
    """Units of each hidden layer; at least the number of features, which is the default."""
    noise: PositiveFloat = 1.0
    """Standard deviation of the Gaussian noise that corrupts the features of real images."""
    lambda_denoise: Annotated[float, Field(ge=0)] = 0.03
    """Weight of the squared distance from generated features to their denoised values, averaged over the
    features: the paper's 0.03 / n_h on their sum."""
    lambda_adversarial: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the generator's usual loss."""

    def shape(self, model: DcganConfig) -> tuple[int, int, int]:
        """The layer, its number of features, and the denoiser's width, for this model's discriminator.

        Raises PreimageError for a layer that does not exist, squares that do not tile its maps, and a
        denoiser narrower than its input.
        """
        shapes = layer_shapes(model)
        layer = self.layer or len(shapes)
        if layer > len(shapes):
            names = ", ".join(f"{k} ({shape_text(each)})" for k, each in enumerate(shapes, 1))
            raise PreimageError(
                f"denoiser.layer={layer}, but the discriminator's layers are {names}: choose one of them"
            )
        maps, *sides = shapes[layer - 1]
        pools = [pool for pool in range(1, min(sides) + 1) if not any(side % pool for side in sides)]
        if self.pool not in pools:
            raise PreimageError(
                f"denoiser.pool={self.pool} does not divide the maps of layer {layer}, "
                f"{shape_text(sides)} pixels: choose one of {', '.join(map(str, pools))}"
            )
        pixels = prod(sides)
        features = maps * pixels // self.pool**2
        width = self.width or features
        if width < features:
            fits = [pool for pool in pools if maps * pixels // pool**2 <= width]
            smaller = f", denoiser.pool={fits[0]}" if fits else ""
            raise PreimageError(
                f"denoiser.width={width} is narrower than its input of {features:,} features, which it could "
                f"not reconstruct: set denoiser.width={features} or more{smaller}, or a smaller "
                "model.base_channels"
            )
        return layer, features, width


class DfmAlgorithm(GanAlgorithm):
    """A generator, a discriminator and, unless switched off, a denoiser of the discriminator's features.

    Every gradient is computed with all networks as they were before the step; then all step (section 5).
    """

    def __init__(
        self,
        context: AlgorithmContext,
        model: DcganConfig,
        optimizer: OptimizerConfig,
        denoiser: DenoiserConfig | None,
        origin: InitFrom = FROM_SCRATCH,
    ) -> None:
        others = {}
        self.layer, self.denoiser = None, denoiser
        if denoiser:
            self.layer, self.features, width = denoiser.shape(model)
            seed = Stream.DENOISER.seed(context.seed)
            others["denoiser"] = build_denoiser(self.features, width, denoiser.depth, seed)
        super().__init__(context, model, optimizer, origin, others)
        self.noise = context.random(Stream.FEATURE_NOISE)

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One update of all networks. The discriminator sees the generated images once: that pass gives its
        own gradient and then, without its weights' gradient, the generator's."""
        networks = self.networks
        codes = self.draw_codes(len(images))
        with networks.autocast():
            generated = networks["generator"](codes)
            seen = generated.detach().requires_grad_()
            real_logits, real = self._discriminate(images)
            fake_logits, fake = self._discriminate(seen)
            loss_d = discriminator_loss(real_logits, fake_logits)
        weights = list(networks.unwrapped["discriminator"].parameters())
        networks.backward(loss_d, ["discriminator"], inputs=weights, retain_graph=True)
        adversarial, more = generator_loss(fake_logits), {}
        loss_g = adversarial
        finite = {"discriminator's loss": loss_d}
        if self.denoiser:
            loss_r = self._denoising_loss(real.detach(), self.denoiser.noise)
            networks.backward(loss_r, ["denoiser"])
            gap = feature_loss(fake, self._denoised(fake.detach()))
            loss_g = self.denoiser.lambda_denoise * gap + self.denoiser.lambda_adversarial * adversarial
            more = dict(zip(METRICS, (loss_r.detach() / self.features, gap.detach()), strict=True))
            finite["denoiser's loss"] = loss_r
        networks.backward_from(generated, networks.grad(loss_g, seen), "generator")
        networks.step(networks.unwrapped, number, finite | {"generator's loss": loss_g})
        return metrics_of(loss_d, adversarial, real_logits, fake_logits) | more

    def _discriminate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,), and the features (N, n) that the denoiser models; without a denoiser, no features."""
        if not self.denoiser:
            logits = self.networks["discriminator"](images)
            return upcast(logits), logits
        logits, maps = self.networks["discriminator"](images, self.layer)
        features = avg_pool2d(upcast(maps), self.denoiser.pool).flatten(1)
        return upcast(logits), features

    def _denoising_loss(self, features: Tensor, sigma: float) -> Tensor:
        """The loss on the features (N, n) of this worker's real images, corrupted by N(0, sigma^2)."""
        shape = (self.networks.whole(len(features)), features.shape[1])
        noise = torch.randn(shape, generator=self.noise, device=self.noise.device) * sigma
        with self.networks.autocast():
            denoised = self.networks["denoiser"](features + self.worker.part(noise))
        return denoising_loss(features, upcast(denoised))

    @torch.no_grad()
    def _denoised(self, features: Tensor) -> Tensor:
        """The generator's targets (N, n), normalised by the statistics of generated images only."""
        with self.networks.autocast():
            return upcast(self.networks.unwrapped["denoiser"](features))

    def replicated_state(self) -> dict[str, Any]:
        return super().replicated_state() | {"noise": self.noise.get_state()}

    def load_replicated_state(self, state: dict[str, Any]) -> None:
        super().load_replicated_state(state)
        self.noise.set_state(state["noise"])
