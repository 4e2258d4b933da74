"""A normalising flow as a prior of codes: affine coupling layers (Dinh et al. 2017, Real NVP), by zuko."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import zuko
from torch import Tensor

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.latents.prior_kinds import PriorKind, Report, TrainingCodes
from preimage.latents.priors import Support
from preimage.latents.statistics import Moments
from preimage.random_streams import Stream, purpose

NOISE = 1e-2
"""Standard deviation of the noise on each code of a batch, in units of the codes': the likelihood of a finite
number of codes has no maximum without."""


class FlowSettings(Config):
    """What a flow is, and how it is fitted."""

    transforms: PositiveInt = 8
    """Coupling layers, each of which changes half of the components, given the other half."""
    width: PositiveInt = 128
    """Units in each of the two hidden layers of a coupling layer."""
    steps: PositiveInt = 3000
    """Steps of Adam."""
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 1e-3
    """Learning rate at the start; it falls to 0 by a cosine."""
    max_codes: PositiveInt = 1_000_000
    """Codes to fit to, at most; they are held in memory."""


@dataclass(frozen=True, eq=False)
class FlowPrior:
    """The codes mean + scale * f^-1(noise). mean, scale: (d,) float64; flow: float64."""

    flow: Any
    mean: Tensor
    scale: Tensor
    layout: tuple[int, int]
    """Its transforms and their width."""
    name: str = "flow"
    support: Support = "anywhere"

    @property
    def latent_dim(self) -> int:
        return len(self.mean)

    @property
    def std(self) -> float:
        """That of the codes it was fitted to."""
        return self.scale.square().mean().sqrt().item()

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        noise = torch.randn(count, self.latent_dim, generator=generator, device=generator.device)
        flow, mean, scale = self._on(noise.device)
        return (mean + scale * flow().transform.inv(noise.double())).float()

    @torch.no_grad()
    def log_density(self, z: Tensor) -> Tensor:
        flow, mean, scale = self._on(z.device)
        return flow().log_prob((z.double() - mean) / scale) - scale.log().sum()

    def tensors(self) -> dict[str, Tensor]:
        """Also the orders of its layers, which another version of torch may draw otherwise."""
        own = {"mean": self.mean, "scale": self.scale, "layout": torch.tensor(self.layout)}
        for name, each in self.flow.state_dict().items():
            own[f"flow.{name}"] = each.float() if each.is_floating_point() else each
        return own

    def _on(self, device: torch.device) -> tuple[Any, Tensor, Tensor]:
        flow = self.flow if device.type == "cpu" else deepcopy(self.flow).to(device)
        return flow, self.mean.to(device), self.scale.to(device)


def _flow(latent_dim: int, transforms: int, width: int) -> Any:
    """Layer i changes the halves of the i-th of a fixed sequence of permutations."""
    layers = []
    for i in range(transforms):
        order: Any = torch.randperm(latent_dim, generator=torch.Generator().manual_seed(i))
        layer = zuko.flows.MaskedAutoregressiveTransform(
            latent_dim,
            passes=2,  # a coupling layer: its inverse costs as little as itself
            order=order,
            hidden_features=(width, width),
        )
        layers.append(layer)
    zeros, ones = torch.zeros(latent_dim), torch.ones(latent_dim)
    normal = zuko.flows.UnconditionalDistribution(zuko.distributions.DiagNormal, zeros, ones, buffer=True)
    return zuko.flows.Flow(layers, normal)


def fit(codes: TrainingCodes, settings: FlowSettings, seed: int, report: Report) -> FlowPrior:
    moments = Moments.of(codes())
    mean, scale = moments.mean, moments.covariance.diagonal().sqrt().clamp_min(1e-6)
    z = ((codes.some(settings.max_codes) - mean) / scale).float()
    random = Stream.PLUGIN.generator(seed, purpose("preimage-example: flow, batches"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Stream.PLUGIN.seed(seed, purpose("preimage-example: flow, first weights")))
        flow = _flow(z.shape[1], settings.transforms, settings.width)
    adam = torch.optim.Adam(flow.parameters(), lr=settings.lr)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, settings.steps)
    for step in range(1, settings.steps + 1):
        batch = z[torch.randint(len(z), (settings.batch_size,), generator=random)]
        batch = batch + NOISE * torch.randn(batch.shape, generator=random)
        loss = -flow().log_prob(batch).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
        if step % max(1, settings.steps // 100) == 0 or step == settings.steps:
            likelihood = -loss.item() - scale.log().sum().item()
            seen, most = (each * settings.batch_size for each in (step, settings.steps))
            report(seen, most, {"log_likelihood": likelihood})
    return FlowPrior(flow.double().requires_grad_(False), mean, scale, (settings.transforms, settings.width))


def rebuild(tensors: dict[str, Tensor]) -> FlowPrior:
    transforms, width = tensors["layout"].tolist()
    flow = _flow(len(tensors["mean"]), transforms, width)
    own = {name.removeprefix("flow."): each for name, each in tensors.items() if name.startswith("flow.")}
    flow.load_state_dict(own)  # raises for layers that are not those of its layout
    return FlowPrior(
        flow.double().requires_grad_(False), tensors["mean"], tensors["scale"], (transforms, width)
    )


FLOW = PriorKind(rebuild, fit, FlowSettings)
