import copy
from dataclasses import replace

import pytest
import torch

from preimage.data.pixels import to_float
from preimage.models.generator_folder import load_generator, load_prior
from preimage.training.algorithm import AlgorithmContext
from preimage.training.autoencoder import AutoencoderAlgorithm
from preimage.training.config import OptimizerConfig
from preimage.training.loop import train
from preimage.training.worker import Worker
from stores import store_of
from tiny import LOOP, MODEL

AE_MODEL = MODEL.model_copy(update={"prior": "gaussian"})
ADAM = OptimizerConfig(name="adam", lr=1e-3, beta1=0.9)


def build(context: AlgorithmContext) -> AutoencoderAlgorithm:
    return AutoencoderAlgorithm(context, AE_MODEL, ADAM)


def test_a_step_is_adams_on_the_squared_error_in_float64(digits):
    algorithm = build(AlgorithmContext(Worker(), digits.read(0, 24), LOOP, seed=1))
    for network in algorithm.networks.unwrapped.values():
        network.double()
    encoder, decoder = copy.deepcopy((algorithm.encoder, algorithm.generator))
    real = torch.rand(8, 1, 16, 16, dtype=torch.float64) * 2 - 1
    metrics = algorithm.step(torch.arange(8), real, 0)

    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-3)
    loss = (decoder(encoder(real)) - real).square().mean()
    loss.backward()
    optimizer.step()
    mine = [*algorithm.encoder.parameters(), *algorithm.generator.parameters()]
    for one, other in zip(mine, parameters, strict=True):
        assert torch.allclose(one, other, atol=1e-10)
    assert metrics["loss"].item() == pytest.approx(loss.item())


def test_training_leaves_the_decoder_its_prior_and_the_encoders_codes(make_glo, digits):
    training = make_glo("autoencoder", total_images=9_600)
    train(Worker(), replace(training, build=build))
    curve = [value for _, value in training.run.curve("loss")]
    assert curve[-1] < 0.5 * curve[0]
    generator, card = load_generator(training.run.product("generator"))
    codes = store_of(training.run).head(digits.count)
    images = to_float(digits.read(0, digits.count).pixels)
    with torch.no_grad():
        errors = (generator(codes.z) - images).square().mean((1, 2, 3))
    assert torch.allclose(codes.loss, errors, atol=1e-5)
    assert codes.converged.all()
    prior = load_prior(training.run.product("generator"), card)
    assert prior.name == "gaussian"
    assert torch.allclose(prior.root @ prior.root.T, torch.cov(codes.z.T), atol=1e-4)


def test_a_killed_run_goes_on_with_the_same_curve(make_glo, monkeypatch):
    whole = replace(make_glo("whole"), build=build)
    killed = replace(make_glo("killed"), build=build)
    train(Worker(), whole)
    original = AutoencoderAlgorithm.step

    def dying(self, rows, images, number):
        if number == 13:
            raise KeyboardInterrupt
        return original(self, rows, images, number)

    monkeypatch.setattr(AutoencoderAlgorithm, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(Worker(), killed)
    monkeypatch.setattr(AutoencoderAlgorithm, "step", original)
    train(Worker(), killed)
    assert killed.run.curve("loss") == whole.run.curve("loss")
    assert store_of(killed.run).fingerprint == store_of(whole.run).fingerprint
