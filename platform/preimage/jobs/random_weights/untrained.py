"""Generators with random weights that were never trained."""

import torch
from torch import nn

from preimage.inversion.labels import generate, spread_labels
from preimage.latents.priors import make_prior
from preimage.models.config import DcganConfig
from preimage.models.dcgan import Generator, build_pair
from preimage.random_streams import Stream


def untrained(config: DcganConfig, seed: int) -> Generator:
    """A generator with random weights, in eval mode. Each BatchNorm takes its statistics from its own inputs
    for codes drawn from the prior."""
    generator, _ = build_pair(config, seed)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    random = Stream.CALIBRATION.generator(seed)
    prior = make_prior(config.prior, config.latent_dim)
    with torch.no_grad():
        for _ in range(8):
            codes = prior.sample(64, random)
            generate(generator, codes, spread_labels(len(codes), config.classes, codes.device))
    return generator.eval()
