"""A GAN conditional on classes: labels belong to their images, and nothing else changes."""

import copy
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from preimage.errors import DataError
from preimage.inversion.labels import spread_labels
from preimage.models.generator_folder import load_generator, load_prior
from preimage.objectives.gan import discriminator_loss, generator_loss
from preimage.random_streams import Stream
from preimage.runs import checkpoints
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import OptimizerConfig
from preimage.training.gan import GanAlgorithm
from preimage.training.loop import train
from preimage.training.networks import COLUMNS, fixed_samples
from preimage.training.scoring import BATCH, Evaluator, Scoring
from preimage.training.worker import Worker
from tiny import CONDITIONAL, LOOP
from two_workers import Stop, conditional_gan, stopping


def algorithm(images, model=CONDITIONAL) -> GanAlgorithm:
    return GanAlgorithm(AlgorithmContext(Worker(), images, LOOP, seed=3), model, OptimizerConfig(lr=1e-3))


def test_a_step_is_the_textbooks_in_float64(digits):
    """Both networks get the labels of the batch's rows: one-hot beside codes, and as planes beside images."""
    images = digits.read(0, 40)
    made = algorithm(images)
    for network in made.networks.unwrapped.values():
        network.double()
    generator, discriminator = copy.deepcopy((made.generator, made.discriminator))
    rows = torch.randperm(40, generator=torch.Generator().manual_seed(1))[:16]
    real = torch.rand(16, 1, 16, 16, dtype=torch.float64) * 2 - 1
    codes = torch.randn(16, 4, dtype=torch.float64)
    made.draw_codes = lambda count: codes
    made.step(rows, real, 0)

    classes = F.one_hot(images.labels[rows].long(), 10).double()
    planes = classes[:, :, None, None].expand(-1, -1, 16, 16)

    def generate():
        both = torch.cat([codes, classes], 1)[:, :, None, None]
        return generator.get_submodule("layers")(both)

    def judge(pictures):
        features = discriminator.get_submodule("features")(torch.cat([pictures, planes], 1))
        return discriminator.get_submodule("logit")(features).squeeze(1)

    for network, loss in (
        (discriminator, lambda: discriminator_loss(judge(real), judge(generate().detach()))),
        (generator, lambda: generator_loss(judge(generate()))),
    ):
        optimizer = torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.999))
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    for mine, theirs in ((made.generator, generator), (made.discriminator, discriminator)):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-12)


def test_a_killed_run_goes_on_to_the_bit(make_training):
    whole, killed = (replace(make_training(name), build=conditional_gan) for name in ("whole", "killed"))
    train(Worker(), whole)
    with pytest.raises(Stop):
        train(Worker(), replace(killed, build=partial(stopping, conditional_gan, 13)))
    train(Worker(), killed)
    one, other = (
        checkpoints.newest(each.run.product("checkpoints")).shared()["algorithm"]["generator"]
        for each in (whole, killed)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert killed.run.curve("generator_loss") == whole.run.curve("generator_loss")
    last = whole.run.samples.names()[-1]
    assert killed.run.samples.read(last) == whole.run.samples.read(last)
    generator, card = load_generator(whole.run.product("generator"))
    assert (card.generator.classes, card.generator.activation) == (10, "leaky-relu")
    prior = load_prior(whole.run.product("generator"), card)
    grid = fixed_samples(generator, prior, 0, 64)
    codes = prior.sample(64, Stream.SAMPLE_GRID.generator(0))[:COLUMNS]
    rows = grid.split(COLUMNS)
    assert len(rows) == 10
    with torch.no_grad():
        for label, row in enumerate(rows):
            assert torch.allclose(row, generator(codes, torch.full((COLUMNS,), label)), atol=1e-6)


def test_equally_many_samples_of_each_class_are_scored(digits):
    made = algorithm(digits.read(0, 40))
    seen = []

    class Watched(torch.nn.Module):
        classes = 10

        def forward(self, codes, labels):
            seen.append(labels)
            return made.generator(codes, labels)

    def scorer(pixels):
        return torch.zeros(len(pixels), 10), pixels[:, 0, 0, :2].float()

    scorer.score, scorer.distance = "score", "distance"
    scoring = Scoring(SimpleNamespace(open=lambda device: scorer), 2 * BATCH)
    Evaluator(Worker(), scoring, digits.read(0, 40), 0, seed=0).of(Watched(), made.prior)
    assert torch.equal(torch.cat(seen), spread_labels(2 * BATCH, 10, torch.device("cpu")))


def test_labels_that_are_missing_or_unknown_are_refused(digits):
    images = digits.read(0, 40)
    without = images._replace(labels=torch.full_like(images.labels, -1))
    with pytest.raises(
        DataError, match="this training needs labels, but 40 of 40 images of the training set"
    ):
        algorithm(without)
    with pytest.raises(DataError, match="labels must be below 5, the number of classes, but got 9"):
        algorithm(images, CONDITIONAL.model_copy(update={"classes": 5}))
