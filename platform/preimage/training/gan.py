"""DCGAN as a learner (glo, section 3.1; flexible-priors, section E)."""

from typing import Any

import torch
from torch import Tensor

from preimage.latents.priors import make_prior
from preimage.models.config import DcganConfig
from preimage.models.dcgan import Generator, build_pair
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.reproducible import seed_of
from preimage.training.config import OptimizerConfig
from preimage.training.finite import check_finite
from preimage.training.learner import Setting
from preimage.training.worker import bare

METRICS = ("discriminator_loss", "generator_loss", "real_probability", "generated_probability")
"""What a step records: both losses, and the discriminator's mean D(x) and D(G(z))."""

CODES, SAMPLES = 1, 2
"""The purposes that random streams are drawn for."""


class GanLearner:
    """A generator and a discriminator, one step of each a batch."""

    def __init__(
        self, setting: Setting, model: DcganConfig, optimizer: OptimizerConfig, precision: str = "float32"
    ) -> None:
        self.worker, self.precision = setting.worker, precision
        self.prior = make_prior(model.prior, model.latent_dim)
        self.random = setting.random(CODES)
        self.seed = setting.seed
        self.generator, self.discriminator = (
            network.to(device=self.worker.device, memory_format=torch.channels_last)  # pyright: ignore
            for network in build_pair(model, setting.seed)
        )
        self.networks = {
            "generator": self.worker.parallel(self.generator),
            "discriminator": self.worker.parallel(self.discriminator),
        }
        self.optimizers = {name: optimizer.build(network) for name, network in self.networks.items()}

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """The discriminator's update, then the generator's, on one and the same batch of generated images."""
        codes = self.prior.sample(len(images), self.random)
        with self._autocast():
            generated = self.networks["generator"](codes)
            real_logits = self.networks["discriminator"](images)
            fake_logits = self.networks["discriminator"](generated.detach())
            loss_d = discriminator_loss(real_logits.float(), fake_logits.float())
        self._update("discriminator", loss_d, number)
        self.discriminator.requires_grad_(False)  # its weights' gradient is not needed here
        with self._autocast():
            loss_g = generator_loss(self.discriminator(generated).float())
        self._update("generator", loss_g, number)
        self.discriminator.requires_grad_(True)
        probabilities = (logits.detach().float().sigmoid().mean() for logits in (real_logits, fake_logits))
        return dict(zip(METRICS, (loss_d.detach(), loss_g.detach(), *probabilities), strict=True))

    def _update(self, name: str, loss: Tensor, number: int) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        check_finite(self.worker, number, {f"{name}_loss": loss}, {name: self.networks[name]})
        self.optimizers[name].step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.worker.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def shared_state(self) -> dict[str, Any]:
        networks = {name: bare(network).state_dict() for name, network in self.networks.items()}
        return networks | {f"{name}_optimizer": each.state_dict() for name, each in self.optimizers.items()}

    def load_shared_state(self, state: dict[str, Any]) -> None:
        for name, network in self.networks.items():
            bare(network).load_state_dict(state[name])
            self.optimizers[name].load_state_dict(state[f"{name}_optimizer"])

    def own_state(self) -> dict[str, Any]:
        return {"codes": self.random.get_state()}

    def load_own_state(self, states: list[dict[str, Any]]) -> None:
        if len(states) == self.worker.world_size:
            self.random.set_state(states[self.worker.rank]["codes"])

    def samples(self, count: int) -> Tensor:
        images = fixed_samples(self.generator, self.seed, count)
        self.generator.train()
        return images


@torch.no_grad()
def fixed_samples(generator: Generator, seed: int, count: int) -> Tensor:
    """Images (count, C, H, W) of a generator in eval mode: the same codes every time for one seed."""
    device = next(generator.parameters()).device
    random = torch.Generator().manual_seed(seed_of(seed, SAMPLES))
    prior = make_prior(generator.config.prior, generator.config.latent_dim)
    return generator.eval()(prior.sample(count, random).to(device))
