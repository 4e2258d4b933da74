"""DFM-GAN's step against the obvious way to write it, and what a user may get wrong."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from preimage.data.dataset import Images
from preimage.errors import NonFiniteError, PreimageError
from preimage.models.dcgan import build_pair
from preimage.models.feature_count import feature_count
from preimage.models.feature_discriminator import build_feature_discriminator
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import DenoiserConfig, LoopConfig, OptimizerConfig
from preimage.training.dfm import DfmAlgorithm
from preimage.training.metric_names import DFM_GRADIENTS
from preimage.training.worker import Worker
from tiny import MODEL

BATCH = 12
SGD = OptimizerConfig(name="sgd", lr=0.1)
DENOISER = DenoiserConfig(depth=2, noise=0.7, lambda_denoise=0.3, lambda_adversarial=0.8)


def algorithm(denoiser=DENOISER, pool=1, **loop) -> DfmAlgorithm:
    pixels = torch.zeros(BATCH, 1, 16, 16, dtype=torch.uint8)
    images = Images(torch.arange(BATCH), pixels, torch.zeros(BATCH, dtype=torch.int32))
    return DfmAlgorithm(AlgorithmContext(Worker(), images, LoopConfig(**loop), 5), MODEL, SGD, denoiser, pool)


def batch() -> torch.Tensor:
    return torch.rand(BATCH, 1, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1


def in_float64(made: DfmAlgorithm, monkeypatch) -> dict[str, torch.Tensor]:
    """The algorithm in float64, and what it draws, by name."""
    drawn = {}
    draw, randn = made.draw_codes, torch.randn

    def codes(count):
        drawn["codes"] = draw(count).double()
        return drawn["codes"]

    def noise(*shape, **kwargs):
        drawn["noise"] = randn(*shape, **kwargs).double()
        return drawn["noise"]

    for network in made.networks.unwrapped.values():
        network.double()
    monkeypatch.setattr(made, "draw_codes", codes)
    monkeypatch.setattr(torch, "randn", noise)
    return drawn


def plain_terms(networks, images, drawn, pool, config) -> dict[str, Any]:
    """Equations 4 and 5 and the discriminator's loss, each with passes of its own. The features are written
    as means over two axes of their own, and the classifier as a product with them."""
    generator, discriminator = networks["generator"], networks["discriminator"]
    squares = 4 // pool

    def discriminate(images):
        maps = discriminator.maps(images)
        assert maps.min() == 0, "ReLU"
        cut = maps.unflatten(2, (squares, pool)).unflatten(4, (squares, pool))
        features = cut.mean((3, 5)).flatten(1)
        return features @ discriminator.logit.weight[0] + discriminator.logit.bias, features

    fake = generator(drawn["codes"])
    real_logits, real = discriminate(images)
    loss_d = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake_logits, _ = discriminate(fake.detach())
    loss_d = loss_d + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    logits, features = discriminate(fake)
    adversarial = config.lambda_adversarial * F.binary_cross_entropy_with_logits(
        logits, torch.ones_like(logits)
    )
    target = networks["denoiser"](features).detach()
    weight = config.lambda_denoise / (features.shape[1] if config.distance == "mean" else 1)
    denoised = weight * (features - target).pow(2).sum(1).mean()
    clean = real.detach()
    loss_r = (networks["denoiser"](clean + config.noise * drawn["noise"]) - clean).pow(2).sum(1).mean()
    norms = {
        name: torch.autograd.grad(term, features, retain_graph=True)[0].norm(dim=1).sum()
        for name, term in (("feature_gradient", denoised), ("adversarial_gradient", adversarial))
    }
    losses = {"discriminator": loss_d, "generator": adversarial + denoised, "denoiser": loss_r}
    weights = {name: list(network.parameters()) for name, network in networks.items()}
    gradients = {name: list(torch.autograd.grad(losses[name], weights[name])) for name in networks}
    return gradients | norms


@pytest.mark.parametrize(("pool", "distance"), [(1, "mean"), (4, "mean"), (2, "sum")])
def test_every_gradient_is_that_of_the_networks_before_the_step(monkeypatch, pool, distance):
    config = DENOISER.model_copy(update={"distance": distance})
    made = algorithm(config, pool)
    drawn = in_float64(made, monkeypatch)
    before = {
        name: [p.detach().clone() for p in network.parameters()]
        for name, network in made.networks.unwrapped.items()
    }
    reference = algorithm(config, pool).networks.unwrapped
    for name, network in reference.items():
        network.double().load_state_dict(made.networks.unwrapped[name].state_dict())
    images = batch().double()
    metrics = made.step(torch.arange(BATCH), images, 0)
    expected = plain_terms(reference, images, drawn, pool, config)
    for name, network in made.networks.unwrapped.items():
        for parameter, old, gradient in zip(network.parameters(), before[name], expected[name], strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-8, atol=1e-12), name
            assert torch.allclose(parameter, old - 0.1 * gradient, rtol=1e-8, atol=1e-12), name
    for name in DFM_GRADIENTS:
        assert metrics[name].item() == pytest.approx(expected[name].item(), rel=1e-8)


def test_without_a_denoiser_it_is_the_same_gan(monkeypatch):
    """One flag apart: equal first weights and codes; a denoiser that counts nothing changes nothing."""
    nothing = DENOISER.model_copy(update={"lambda_denoise": 0.0, "lambda_adversarial": 1.0})
    plain, idle = algorithm(None), algorithm(nothing)
    assert "denoiser" not in plain.networks.unwrapped
    for number in range(3):
        found = [each.step(torch.arange(BATCH), batch(), number) for each in (plain, idle)]
        assert found[0]["generator_loss"] == found[1]["generator_loss"]
    for ours, theirs in zip(plain.generator.parameters(), idle.generator.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_state_goes_on_to_the_bit():
    whole, half, other = algorithm(), algorithm(), algorithm()
    for number in range(2):
        whole.step(torch.arange(BATCH), batch(), number)
        half.step(torch.arange(BATCH), batch(), number)
    other.load_replicated_state(half.replicated_state())
    for number in range(2, 4):
        expected = whole.step(torch.arange(BATCH), batch(), number)
        assert other.step(torch.arange(BATCH), batch(), number) == expected


def test_bf16_is_near_float32():
    exact, quick = algorithm(), algorithm(precision="bf16")
    one, other = (each.step(torch.arange(BATCH), batch(), 0) for each in (exact, quick))
    for name in one:
        assert torch.allclose(one[name], other[name], rtol=0.05), name


def test_a_loss_that_is_not_finite_changes_no_network():
    made = algorithm()
    with torch.no_grad():
        next(made.networks.unwrapped["denoiser"].parameters()).fill_(torch.inf)
    before = {name: [p.clone() for p in each.parameters()] for name, each in made.networks.unwrapped.items()}
    with pytest.raises(NonFiniteError, match="denoiser's loss is not finite"):
        made.step(torch.arange(BATCH), batch(), 0)
    for name, network in made.networks.unwrapped.items():
        assert all(torch.equal(p, old) for p, old in zip(network.parameters(), before[name], strict=True))


def test_the_classifier_reads_what_is_denoised_and_nothing_else():
    discriminator = build_feature_discriminator(MODEL, 2, 0)
    logits, features = discriminator(batch())
    assert features.shape == (BATCH, feature_count(MODEL, 2)) == (BATCH, 8 * 2 * 2)
    assert features.min() >= 0
    assert torch.equal(logits, discriminator.logit(features).squeeze(1))


def test_the_generator_starts_as_every_gans_does():
    ours, theirs = algorithm().generator, build_pair(MODEL, 5)[0]
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_squares_that_do_not_tile_the_last_maps_are_refused():
    with pytest.raises(PreimageError, match=r"feature_pool=3 .* 4 x 4 pixels: choose one of 1, 2, 4"):
        feature_count(MODEL, 3)
