"""DFM-GAN's step against the obvious way to write it, and what a user may get wrong."""

import pytest
import torch
import torch.nn.functional as F

from preimage.data.dataset import Images
from preimage.errors import NonFiniteError, PreimageError
from preimage.models.dcgan import build_pair, layer_shapes
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.dfm import DenoiserConfig, DfmAlgorithm
from preimage.training.worker import Worker
from tiny import MODEL

BATCH = 12
SGD = OptimizerConfig(name="sgd", lr=0.1)
DENOISER = DenoiserConfig(depth=2, noise=0.7, lambda_denoise=0.3, lambda_adversarial=0.8)


def algorithm(denoiser=DENOISER, optimizer=SGD, **loop) -> DfmAlgorithm:
    pixels = torch.zeros(BATCH, 1, 16, 16, dtype=torch.uint8)
    images = Images(torch.arange(BATCH), pixels, torch.zeros(BATCH, dtype=torch.int32))
    return DfmAlgorithm(AlgorithmContext(Worker(), images, LoopConfig(**loop), 5), MODEL, optimizer, denoiser)


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


def plain_gradients(networks, images, drawn, layer, config) -> dict[str, list[torch.Tensor]]:
    """Equations 4 and 5 and the discriminator's loss, each with passes of its own."""
    generator, discriminator = networks["generator"], networks["discriminator"]
    weights = {name: list(network.parameters()) for name, network in networks.items()}
    fake = generator(drawn["codes"])
    squares = 16 // 2**layer // config.pool  # of a side of the layer's maps

    def features_of(maps):
        """Means over squares, written as a mean over two axes of their own."""
        cut = maps.unflatten(2, (squares, config.pool)).unflatten(4, (squares, config.pool))
        return cut.mean((3, 5)).flatten(1)

    real_logits, maps = discriminator(images, layer)
    real = features_of(maps)
    loss_d = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake_logits = discriminator(fake.detach())
    loss_d = loss_d + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    logits, maps = discriminator(fake, layer)
    features = features_of(maps)
    loss_g = config.lambda_adversarial * F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    target = networks["denoiser"](features).detach()
    loss_g = loss_g + config.lambda_denoise / features.shape[1] * (features - target).pow(2).sum(1).mean()
    clean = real.detach()
    loss_r = (networks["denoiser"](clean + config.noise * drawn["noise"]) - clean).pow(2).sum(1).mean()
    losses = {"discriminator": loss_d, "generator": loss_g, "denoiser": loss_r}
    return {name: list(torch.autograd.grad(losses[name], weights[name])) for name in networks}


@pytest.mark.parametrize(("layer", "pool"), [(None, 1), (1, 4), (2, 2)])
def test_every_gradient_is_that_of_the_networks_before_the_step(monkeypatch, layer, pool):
    config = DENOISER.model_copy(update={"layer": layer, "pool": pool})
    made = algorithm(config)
    drawn = in_float64(made, monkeypatch)
    before = {
        name: [p.detach().clone() for p in network.parameters()]
        for name, network in made.networks.unwrapped.items()
    }
    reference = algorithm(config).networks.unwrapped
    for name, network in reference.items():
        network.double().load_state_dict(made.networks.unwrapped[name].state_dict())
    images = batch().double()
    made.step(torch.arange(BATCH), images, 0)
    number = layer or len(layer_shapes(MODEL))
    expected = plain_gradients(reference, images, drawn, number, config)
    for name, network in made.networks.unwrapped.items():
        for parameter, old, gradient in zip(network.parameters(), before[name], expected[name], strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-8, atol=1e-12), name
            assert torch.allclose(parameter, old - 0.1 * gradient, rtol=1e-8, atol=1e-12), name


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


def test_layers_are_counted_from_the_image():
    assert layer_shapes(MODEL) == [(4, 8, 8), (8, 4, 4)]
    _, discriminator = build_pair(MODEL, 0)
    plain = discriminator(batch())
    for number, shape in enumerate(layer_shapes(MODEL), 1):
        logits, features = discriminator(batch(), number)
        assert features.shape == (BATCH, *shape)
        assert features.min() == 0
        assert torch.allclose(logits, plain)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DenoiserConfig(layer=3), r"layer=3, but .* are 1 \(4 x 8 x 8\), 2 \(8 x 4 x 4\)"),
        (DenoiserConfig(width=100), "narrower than its input of 128 features.*width=128 or more.*pool=2"),
        (DenoiserConfig(width=10), "width=128 or more, denoiser.pool=4, or"),
        (DenoiserConfig(width=7), "width=128 or more, or a smaller model.base_channels"),
        (DenoiserConfig(pool=3), "pool=3 does not divide the maps of layer 2, 4 x 4 pixels"),
    ],
)
def test_a_denoiser_that_does_not_fit_is_refused(config, message):
    with pytest.raises(PreimageError, match=message):
        config.shape(MODEL)
