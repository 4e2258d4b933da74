"""In which precision a training run multiplies, and where."""

import dataclasses
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from preimage.float32 import float32_products
from preimage.training import loop
from preimage.training.gan import GanAlgorithm
from preimage.training.precision import step_products
from preimage.training.worker import Worker

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def convolutions() -> str:
    cudnn: Any = torch.backends.cudnn
    return cudnn.conv.fp32_precision


@pytest.mark.parametrize(
    ("precision", "device", "found"),
    [("tf32", GPU, "tf32"), ("tf32", CPU, "ieee"), ("float32", GPU, "ieee"), ("bf16", GPU, "ieee")],
)
def test_a_step_multiplies_in_tf32_on_a_gpu_where_the_spec_says_so(precision, device, found):
    with float32_products("ieee"):
        with step_products(precision, device):
            assert convolutions() == found
        assert convolutions() == "ieee"


class _Scores:
    """An evaluator that notes where it is called."""

    def __init__(self, seen):
        self.seen = seen

    def evaluator(self, *_):
        return self

    def score(self, algorithm):
        self.seen.append(("score", convolutions()))
        return {}


def test_grids_scores_and_exports_of_a_tf32_training_are_exact(make_training, monkeypatch):
    seen: list[tuple[str, str]] = []

    @contextmanager
    def as_on_a_gpu(precision, device):
        with step_products(precision, GPU):
            yield

    def noting(name, original):
        def called(*args, **how):
            seen.append((name, convolutions()))
            return original(*args, **how)

        return called

    monkeypatch.setattr(loop, "step_products", as_on_a_gpu)
    for name in ("step", "samples"):
        monkeypatch.setattr(GanAlgorithm, name, noting(name, getattr(GanAlgorithm, name)))
    training = make_training(precision="tf32", total_images=48, checkpoint_every=24)
    noted = {"evaluation": _Scores(seen), "export": noting("export", training.export)}
    training = dataclasses.replace(training, **noted)
    with float32_products("ieee"):
        loop.train(Worker(), training)
    assert set(seen) == {("step", "tf32"), ("samples", "ieee"), ("score", "ieee"), ("export", "ieee")}
