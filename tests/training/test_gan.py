import copy

import torch
import torch.nn.functional as F

from preimage.latents.priors import make_prior
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.random_streams import Stream
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.gan import GanAlgorithm
from preimage.training.worker import Worker
from tiny import LOOP, MODEL


def test_the_losses_are_binary_cross_entropies_on_the_probabilities():
    real, fake = torch.randn(2, 20, dtype=torch.float64)
    ones, zeros = torch.ones(20, dtype=torch.float64), torch.zeros(20, dtype=torch.float64)
    expected = F.binary_cross_entropy(real.sigmoid(), ones) + F.binary_cross_entropy(fake.sigmoid(), zeros)
    assert torch.allclose(discriminator_loss(real, fake), expected)
    assert torch.allclose(generator_loss(fake), F.binary_cross_entropy(fake.sigmoid(), ones))


def test_the_losses_stay_finite_on_saturated_logits():
    huge = torch.tensor([1e4, -1e4])
    assert torch.isfinite(discriminator_loss(huge, huge))
    assert torch.isfinite(generator_loss(huge))


def test_a_step_is_the_textbooks_in_float64(digits):
    """Two forward passes, two losses, two Adam steps, written out with whole networks and no sharing."""
    images = digits.read(0, 16)
    context = AlgorithmContext(Worker(), images, LOOP, seed=3)
    algorithm = GanAlgorithm(context, MODEL, OptimizerConfig(lr=1e-3))
    for network in algorithm.networks.unwrapped.values():
        network.double()
    generator, discriminator = copy.deepcopy((algorithm.generator, algorithm.discriminator))
    real = torch.rand(16, 1, 16, 16, dtype=torch.float64) * 2 - 1
    random = Stream.TRAINING_CODES.generator(3)
    codes = make_prior("normal", 4).sample(16, random).double()
    algorithm.prior = _Fixed(codes)
    algorithm.step(torch.arange(16), real, 0)

    for network, loss in (
        (
            discriminator,
            lambda: discriminator_loss(discriminator(real), discriminator(generator(codes).detach())),
        ),
        (generator, lambda: generator_loss(discriminator(generator(codes)))),
    ):
        optimizer = torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.999))
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    pairs = ((algorithm.generator, generator), (algorithm.discriminator, discriminator))
    for mine, theirs in pairs:
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-12)


class _Fixed:
    def __init__(self, codes):
        self.codes = codes

    def sample(self, count, generator):
        return self.codes
