"""Scores of samples while a generator trains."""

from dataclasses import replace

import pytest
import torch

from preimage.data.pixels import to_uint8
from preimage.latents.statistics import Moments
from preimage.metrics.scores import frechet_distance, inception_score
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import build_classifier, save_classifier
from preimage.models.generator_folder import load_generator, load_prior
from preimage.models.scorer import ScorerSource
from preimage.random_streams import Stream
from preimage.runs import checkpoints
from preimage.training.loop import train
from preimage.training.metric_names import SCORES
from preimage.training.scoring import Scoring
from preimage.training.worker import Worker
from two_workers import gan, many, train_all

NAMES = SCORES["classifier"]
SAMPLES = 50


@pytest.fixture
def scoring(folder) -> Scoring:
    """Through a classifier that was never trained: its scores are as good as any for what is tested here."""
    classifier = build_classifier(
        ClassifierConfig(image_size=16, channels=1, classes=10, base_channels=4), seed=1
    )
    with torch.no_grad():
        classifier.logits.weight.mul_(100)  # far from undecided
    save_classifier(classifier, folder / "classifier", [str(k) for k in range(10)], 0.1, "none", {})
    return Scoring(ScorerSource(folder / "classifier"), SAMPLES)


def curves(training):
    return {name: training.run.curve(name) for name in NAMES}


def test_samples_are_scored_at_every_checkpoint_and_the_best_becomes_the_generator(make_training, scoring):
    training = make_training(select_by="classifier_score")
    train(Worker(), replace(training, evaluation=scoring))
    scores = dict(curves(training)["classifier_score"])
    assert list(scores) == [120, 240, 360, 480]
    best = checkpoints.best(training.run.product("checkpoints"), lowest=False)
    assert best.meta["score"] == max(scores.values()) == scores[best.images]
    assert load_generator(training.run.product("generator"))[1].training["images_seen"] == best.images


def test_the_scores_are_those_of_the_generators_samples_and_the_first_images(make_training, digits, scoring):
    training = make_training()
    train(Worker(), replace(training, evaluation=scoring))
    generator, card = load_generator(training.run.product("generator"))
    random = Stream.SCORED_CODES.generator(training.seed)
    codes = load_prior(training.run.product("generator"), card).sample(SAMPLES, random)
    scorer = scoring.source.open(torch.device("cpu"))
    with torch.no_grad():
        logits, features = scorer(to_uint8(generator(codes)))
    _, real = scorer(digits.read(0, SAMPLES).pixels)
    moments = [Moments.empty(features.shape[1]).update(each) for each in (features, real)]
    found = {name: curve[-1][1] for name, curve in curves(training).items()}
    assert found["classifier_score"] == pytest.approx(inception_score(logits, splits=1).mean)
    assert found["classifier_frechet_distance"] == pytest.approx(frechet_distance(*moments))


def test_scoring_changes_nothing_in_the_training(make_training, scoring):
    plain, scored = make_training("plain"), make_training("scored")
    train(Worker(), plain)
    train(Worker(), replace(scored, evaluation=scoring))
    assert plain.run.curve("generator_loss") == scored.run.curve("generator_loss")


def test_a_run_that_was_stopped_has_the_same_scores(make_training, scoring, monkeypatch):
    whole, stopped = (replace(make_training(name), evaluation=scoring) for name in ("whole", "stopped"))
    train(Worker(), whole)
    save = checkpoints.save
    monkeypatch.setattr(
        checkpoints, "save", lambda *arguments: 1 / (arguments[-1]["images"] < 360) and save(*arguments)
    )
    with pytest.raises(ZeroDivisionError):
        train(Worker(), stopped)
    assert len(curves(stopped)["classifier_score"]) == 3, "scored, but the checkpoint was not saved"
    monkeypatch.setattr(checkpoints, "save", save)
    train(Worker(), stopped)
    assert curves(stopped) == curves(whole)


def test_three_workers_score_as_one_does(make_training, scoring):
    """With batches and samples that they cannot share out evenly."""
    one, three = (
        replace(make_training(name, total_images=125, batch_size=25), build=gan, evaluation=scoring)
        for name in ("one", "three")
    )
    train(Worker(), one)
    many(3, train_all, [three], True)
    for name in NAMES:
        expected, found = (torch.tensor(curves(each)[name]) for each in (one, three))
        assert torch.allclose(found, expected, rtol=2e-3), name
