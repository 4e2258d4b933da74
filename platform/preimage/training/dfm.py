"""DFM-GAN as an algorithm (denoising-feature-matching, sections 3 and 5)."""

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.errors import PreimageError
from preimage.models.config import DcganConfig
from preimage.models.denoiser import build_denoiser
from preimage.models.feature_discriminator import build_feature_discriminator, feature_count
from preimage.objectives.dfm import denoising_loss, feature_loss
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.random_streams import Stream
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.gan import FROM_SCRATCH, GanAlgorithm, InitFrom, metrics_of
from preimage.training.precision import upcast

GRADIENTS = ("feature_gradient", "adversarial_gradient")
"""The two terms of the generator's loss, weights included: the mean norm of an image's gradient at its
features h, which both terms reach the generator through."""

METRICS = ("denoising_error", "feature_gap", *GRADIENTS)
"""What a step records beside a GAN's metrics: ||h - r(C(h))||^2 / n of real images, ||h - r(h)||^2 / n of
generated ones, and the norms of the two gradients."""


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


class DfmAlgorithm(GanAlgorithm):
    """A generator, a discriminator d(Phi(x)) and, unless switched off, a denoiser of its features Phi.

    Every gradient is computed with all networks as they were before the step; then all step (section 5).
    """

    def __init__(
        self,
        context: AlgorithmContext,
        model: DcganConfig,
        optimizer: OptimizerConfig,
        denoiser: DenoiserConfig | None,
        feature_pool: int = 1,
        origin: InitFrom = FROM_SCRATCH,
    ) -> None:
        """feature_pool: side of the squares over which the discriminator's last maps are averaged."""
        self.denoiser, self.features = denoiser, feature_count(model, feature_pool)
        others = {}
        if denoiser:
            width, seed = denoiser.width_for(self.features), Stream.DENOISER.seed(context.seed)
            others["denoiser"] = build_denoiser(self.features, width, denoiser.depth, seed)
        discriminator = build_feature_discriminator(model, feature_pool, context.seed)
        super().__init__(context, model, optimizer, origin, others, discriminator)
        self.noise = context.random(Stream.FEATURE_NOISE)

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One update of all networks. The discriminator sees the generated images once: that pass gives its
        own gradient and then, without its weights' gradient, the generator's."""
        networks = self.networks
        codes = self.draw_codes(len(images))
        with networks.autocast():
            generated = networks["generator"](codes)
            seen = generated.detach().requires_grad_()
            real_logits, real = networks["discriminator"](images)
            fake_logits, fake = networks["discriminator"](seen)
            loss_d = discriminator_loss(upcast(real_logits), upcast(fake_logits))
        weights = list(networks.unwrapped["discriminator"].parameters())
        networks.backward(loss_d, ["discriminator"], inputs=weights, retain_graph=True)
        finite = {"discriminator's loss": loss_d}
        adversarial, more = generator_loss(upcast(fake_logits)), {}
        at_features = networks.grad(adversarial, fake)
        if self.denoiser:
            loss_r = self._denoising_loss(upcast(real.detach()), self.denoiser.noise)
            networks.backward(loss_r, ["denoiser"])
            gap = feature_loss(upcast(fake), self._denoised(upcast(fake.detach())))
            terms = (
                networks.grad(self.denoiser.weight(self.features) * gap, fake),
                self.denoiser.lambda_adversarial * at_features,
            )
            at_features = terms[0] + terms[1]
            finite |= {"denoiser's loss": loss_r, "denoised features' distance": gap}
            errors = [each.detach() / self.features for each in (loss_r, gap)]
            whole = len(images) / networks.weight  # an image's own gradient, not its share of the mean's
            norms = [upcast(each).norm(dim=1).mean() * whole for each in terms]
            more = dict(zip(METRICS, errors + norms, strict=True))
        networks.backward_from(generated, torch.autograd.grad(fake, seen, at_features)[0], "generator")
        networks.step(networks.unwrapped, number, finite | {"generator's loss": adversarial})
        return metrics_of(loss_d, adversarial, real_logits, fake_logits) | more

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
