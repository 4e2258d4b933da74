import dataclasses
import math

import pytest
import torch

from preimage.errors import CheckpointError, NonFiniteError
from preimage.runs import checkpoints
from preimage.training.config import LoopConfig
from preimage.training.gan import GanAlgorithm
from preimage.training.loop import train
from preimage.training.worker import Worker

CURVES = ("discriminator_loss", "generator_loss", "real_probability", "generated_probability")


def curves(training):
    return {name: training.run.curve(name) for name in CURVES}


def weights(training):
    return checkpoints.newest(training.run.product("checkpoints")).shared()["algorithm"]["generator"]


def same_weights(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


class Killed(Exception):
    pass


def kill_at(monkeypatch, step):
    """Die in the middle of a step, with nothing cleaned up."""
    original = GanAlgorithm.step

    def dying(self, rows, images, number):
        if number == step:
            raise Killed
        return original(self, rows, images, number)

    monkeypatch.setattr(GanAlgorithm, "step", dying)
    return lambda: monkeypatch.setattr(GanAlgorithm, "step", original)


def test_one_seed_is_one_curve(make_training):
    one, other, third = make_training("a"), make_training("b"), make_training("c", seed=1)
    for training in (one, other, third):
        train(Worker(), training)
    assert curves(one) == curves(other)
    assert same_weights(weights(one), weights(other))
    assert curves(one) != curves(third)


@pytest.mark.parametrize("step", [1, 5, 6, 7, 13, 19])
def test_a_killed_run_goes_on_with_the_same_curve(make_training, monkeypatch, step):
    whole, killed = make_training("whole"), make_training("killed")
    train(Worker(), whole)
    revive = kill_at(monkeypatch, step)
    with pytest.raises(Killed):
        train(Worker(), killed)
    revive()
    train(Worker(), killed)
    assert curves(killed) == curves(whole)
    assert same_weights(weights(killed), weights(whole))
    assert killed.run.samples.names() == whole.run.samples.names()
    last = whole.run.samples.names()[-1]
    assert killed.run.samples.read(last) == whole.run.samples.read(last)


def test_a_resume_with_another_config_is_refused_with_the_differences(make_training):
    training = make_training()
    train(Worker(), training)
    other = dataclasses.replace(training, identity={"optimizer": {"lr": 1e-3}})
    with pytest.raises(CheckpointError, match=r"optimizer\.lr: was 0\.0002, is 0\.001"):
        train(Worker(), other)


def test_a_finished_run_is_not_trained_again(make_training, monkeypatch):
    training = make_training()
    train(Worker(), training)
    kill_at(monkeypatch, 20)
    train(Worker(), training)


@pytest.mark.parametrize(
    ("name", "said"),
    [("shared.pt", "is skipped: shared.pt is missing or altered"), ("meta.json", "is skipped: ")],
)
def test_a_damaged_checkpoint_is_passed_over_and_said_to_be(make_training, monkeypatch, caplog, name, said):
    whole, hurt = make_training("whole"), make_training("hurt")
    train(Worker(), whole)
    revive = kill_at(monkeypatch, 13)
    with pytest.raises(Killed):
        train(Worker(), hurt)
    revive()
    newest = checkpoints.committed(hurt.run.product("checkpoints"))[-1].folder
    newest.write(name, newest.read(name)[:-100])
    train(Worker(), hurt)
    assert said in caplog.text
    assert curves(hurt) == curves(whole)


def test_what_is_not_finite_stops_before_the_update_and_keeps_the_last_checkpoint(make_training, monkeypatch):
    training = make_training()
    original = GanAlgorithm.step

    def poisoned(self, rows, images, number):
        return original(self, rows, images * math.nan if number == 7 else images, number)

    monkeypatch.setattr(GanAlgorithm, "step", poisoned)
    with pytest.raises(NonFiniteError, match="the discriminator's loss is not finite at step 7"):
        train(Worker(), training)
    kept = checkpoints.newest(training.run.product("checkpoints"))
    assert kept.images == 120
    assert all(torch.isfinite(each).all() for each in kept.shared()["algorithm"]["generator"].values())


def test_a_gradient_that_is_not_finite_is_named(make_training, monkeypatch):
    training = make_training()
    original = torch.Tensor.backward
    calls = []

    def poisoned(self, *args, **kwargs):
        original(self, *args, **kwargs)
        calls.append(1)
        if len(calls) == 6:  # the third step's generator
            poisoned.target.layers[0].weight.grad[0, 0, 0, 0] = math.inf

    build = training.build

    def remember(setting):
        algorithm = build(setting)
        poisoned.target = algorithm.generator
        return algorithm

    monkeypatch.setattr(torch.Tensor, "backward", poisoned)
    with pytest.raises(
        NonFiniteError, match=r"the gradient of generator\.layers\.0\.weight is not finite at step 2"
    ):
        train(Worker(), dataclasses.replace(training, build=remember))


@pytest.mark.parametrize(
    ("metric", "said", "lowest"),
    [
        ("generator_loss", None, True),
        ("classifier_frechet_distance", None, True),
        ("inception_score", None, False),
        ("class_entropy", None, False),
        ("training_accuracy", None, False),
        ("classifier_score", "min", True),
        ("generator_loss", "max", False),
    ],
)
def test_which_value_of_a_metric_is_the_best(metric, said, lowest):
    assert LoopConfig(select_by=metric, mode=said).lowest_is_best is lowest


def test_the_best_checkpoint_by_a_chosen_metric_is_kept_beside_the_latest(make_training):
    training = make_training(total_images=960, select_by="generator_loss", mode="min")
    train(Worker(), training)
    scores = {}
    curve = dict(training.run.curve("generator_loss"))
    for end in range(120, 961, 120):
        rows = [value for images, value in curve.items() if end - 120 < images <= end]
        scores[end] = sum(rows) / len(rows)
    kept = [each.images for each in checkpoints.committed(training.run.product("checkpoints"))]
    assert kept == sorted({min(scores, key=scores.__getitem__), 840, 960})
    best = checkpoints.best(training.run.product("checkpoints"), lowest=True)
    assert best.meta["score"] == pytest.approx(min(scores.values()))


def test_bf16_trains_and_keeps_float32_weights(make_training):
    training = make_training(total_images=96, precision="bf16")
    train(Worker(), training)
    assert all(value.dtype != torch.bfloat16 for value in weights(training).values())
