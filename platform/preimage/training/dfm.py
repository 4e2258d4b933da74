"""DFM-GAN as an algorithm (denoising-feature-matching, sections 3 and 5)."""

from typing import Any

import torch
from torch import Tensor

from preimage.models.config import DcganConfig
from preimage.models.denoiser import build_denoiser
from preimage.models.feature_count import feature_count
from preimage.models.feature_discriminator import build_feature_discriminator
from preimage.objectives.dfm import denoising_loss, feature_loss
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.random_streams import Stream, restore
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import DenoiserConfig, OptimizerConfig
from preimage.training.gan import FROM_SCRATCH, GanAlgorithm, InitFrom, metrics_of
from preimage.training.metric_names import DFM_METRICS
from preimage.training.precision import upcast


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
            more = dict(zip(DFM_METRICS, errors + norms, strict=True))
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
        restore(self.noise, state["noise"])
