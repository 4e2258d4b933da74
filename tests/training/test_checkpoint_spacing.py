"""Checkpoints that serve only to resume may be skipped, and nothing that comes out depends on it."""

import dataclasses

import pytest
import torch

from preimage.runs import checkpoints
from preimage.training.clock import Clock
from preimage.training.gan import GanAlgorithm
from preimage.training.loop import Loop, train
from preimage.training.worker import Worker

LONG = 1e9


def spaced(training, seconds=LONG, **more):
    return dataclasses.replace(training, checkpoint_seconds=seconds, **more)


def saved(training):
    return [each.images for each in checkpoints.committed(training.run.product("checkpoints"))]


def result(training):
    """What comes out, but for speeds."""
    newest = checkpoints.newest(training.run.product("checkpoints"))
    curves = {name: points for name, points in training.run.curves().items() if "per_second" not in name}
    return curves, training.run.samples.names(), newest.images, newest.shared()["algorithm"]["generator"]


def same(one, other):
    (*texts, weights), (*others, theirs) = one, other
    return texts == others and all(torch.equal(weights[name], theirs[name]) for name in weights)


@pytest.fixture
def all_saved(monkeypatch):
    """Every checkpoint that is saved, before any is pruned."""
    found: list[int] = []
    original = Loop._save

    def noting(self, meta):
        found.append(meta["images"])
        original(self, meta)

    monkeypatch.setattr(Loop, "_save", noting)
    return found


@pytest.fixture
def due(monkeypatch):
    """When a checkpoint is due: by the number of times that this was asked."""
    answers = {"at": {2}, "asked": 0}

    def since_saved(self):
        answers["asked"] += 1
        return 2 * LONG if answers["asked"] in answers["at"] else 0.0

    monkeypatch.setattr(Clock, "since_saved", since_saved)
    return answers


def test_a_fast_run_saves_only_its_end_and_gives_the_same(make_training, all_saved):
    every, few = make_training("every"), spaced(make_training("few"))
    train(Worker(), every)
    assert all_saved == [120, 240, 360, 480]
    all_saved.clear()
    train(Worker(), few)
    assert all_saved == saved(few) == [480]
    assert same(result(few), result(every))


@pytest.mark.parametrize("step", [4, 7, 12, 16])
def test_a_killed_run_resumes_from_the_last_that_was_saved(make_training, due, monkeypatch, step):
    whole, killed = make_training("whole"), spaced(make_training("killed"))
    train(Worker(), whole)
    original = GanAlgorithm.step

    def dying(self, rows, images, number):
        if number == step:
            raise InterruptedError
        return original(self, rows, images, number)

    due.update(at={2}, asked=0)
    monkeypatch.setattr(GanAlgorithm, "step", dying)
    with pytest.raises(InterruptedError):
        train(Worker(), killed)
    assert saved(killed) == ([240] if step >= 10 else [])
    monkeypatch.setattr(GanAlgorithm, "step", original)
    train(Worker(), killed)
    assert same(result(killed), result(whole))


def test_none_is_skipped_that_select_by_may_choose(make_training, all_saved):
    choosing = {"select_by": "generator_loss", "mode": "min"}
    train(Worker(), every := make_training("every", **choosing))
    all_saved.clear()
    train(Worker(), few := spaced(make_training("few", **choosing)))
    assert all_saved == [120, 240, 360, 480]
    assert saved(few) == saved(every)


class _Scores:
    calls = 0

    def evaluator(self, *_):
        return self

    def score(self, algorithm):
        self.calls += 1
        return {"a_score": float(self.calls)}


def test_none_is_skipped_that_is_scored(make_training, all_saved):
    train(Worker(), spaced(make_training(), evaluation=(scores := _Scores())))
    assert (all_saved, scores.calls) == ([120, 240, 360, 480], 4)


def test_the_main_worker_s_clock_decides_for_all(make_training, monkeypatch):
    class Second(Worker):
        def broadcast(self, value):
            assert value is False, "by its own clock none is due"
            return True

    training = spaced(make_training())
    loop = Loop(Second(), training, None, None, 400)  # pyright: ignore
    assert loop._is_checkpoint_due()
