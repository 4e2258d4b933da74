"""PGAN's networks: codes from noise, and a discriminator of codes (flexible-priors, section 3 and E)."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from preimage.latents.fitted import Network
from preimage.random_streams import Stream

HIDDEN = 3
"""Hidden layers of both networks: with the last one, four fully connected layers."""


class CodeGenerator(nn.Module):
    """Noise (N, d') to codes (N, d): BatchNorm and ReLU in the hidden layers, the last layer linear."""

    def __init__(self, noise_dim: int, latent_dim: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = noise_dim
        for _ in range(HIDDEN):
            layers += [nn.Linear(before, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, latent_dim))

    def forward(self, noise: Tensor) -> Tensor:
        return self.layers(noise)


class CodeDiscriminator(nn.Module):
    """Codes (N, d) to logits (N,): leaky ReLU 0.2, BatchNorm in all hidden layers but the first."""

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = latent_dim
        for i in range(HIDDEN):
            layers += [nn.Linear(before, width)] + ([nn.BatchNorm1d(width)] if i else [])
            layers += [nn.LeakyReLU(0.2, inplace=True)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, 1))

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes).squeeze(1)


def build_code_pair(
    noise_dim: int, latent_dim: int, width: int, seed: int
) -> tuple[CodeGenerator, CodeDiscriminator]:
    """A pair with weights from this seed alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CodeGenerator(noise_dim, latent_dim, width), CodeDiscriminator(latent_dim, width)


@torch.no_grad()
def folded(generator: CodeGenerator, mean: Tensor, scale: Tensor) -> Network:
    """A generator in eval mode, as a prior of the codes mean + scale * (its output).

    In eval mode each BatchNorm is a fixed affine map, which is folded into the layer before it, in float64.
    mean, scale: (d,).
    """
    weights, biases = [], []
    modules = list(generator.layers)
    for i, layer in enumerate(modules):
        if isinstance(layer, nn.Linear):
            weight, bias = layer.weight.double(), layer.bias.double()
            norm = modules[i + 1] if i + 1 < len(modules) else None
            if isinstance(norm, _BatchNorm):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
                weight, bias = (
                    gain[:, None] * weight,
                    gain * (bias - norm.running_mean.double()) + norm.bias.double(),
                )
            else:
                weight = scale.to(weight)[:, None] * weight
                bias = scale.to(bias) * bias + mean.to(bias)
            weights.append(weight.float().cpu())
            biases.append(bias.float().cpu())
    prior = Network(tuple(weights), tuple(biases), spread=1.0)
    codes = prior.sample(DRAWS, Stream.PRIOR_SPREAD.generator(0))
    return Network(prior.weights, prior.biases, codes.double().var(0).mean().sqrt().item())


DRAWS = 10_000
"""Codes to measure a prior's spread on."""
