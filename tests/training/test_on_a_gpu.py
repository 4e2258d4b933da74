"""Steps of every method as on a GPU: no operation has tensors on two devices, and the host never waits."""

import dataclasses

import pytest
import torch

from fake_gpu import GPU, fake_gpu, watched
from preimage.data.dataset import Images
from preimage.models.cards import ClassifierConfig
from preimage.models.config import PganConfig
from preimage.training.algorithm import AlgorithmContext
from preimage.training.autoencoder import AutoencoderAlgorithm
from preimage.training.classifier import ClassifierAlgorithm
from preimage.training.codes import CodeRows
from preimage.training.config import CodesConfig, DenoiserConfig, OptimizerConfig
from preimage.training.dfm import DfmAlgorithm
from preimage.training.gan import GanAlgorithm
from preimage.training.glo import GloAlgorithm
from preimage.training.loop import Loop
from preimage.training.pgan import PganAlgorithm
from preimage.training.worker import Worker
from tiny import CONDITIONAL, GLO_MODEL, MODEL

BATCH, COUNT = 8, 32
ADAM, SGD = OptimizerConfig(), OptimizerConfig(name="sgd", lr=1.0)
METHODS = {
    "gan": lambda context: GanAlgorithm(context, MODEL, ADAM),
    "conditional": lambda context: GanAlgorithm(context, CONDITIONAL, ADAM),
    "dfm": lambda context: DfmAlgorithm(context, MODEL, ADAM, DenoiserConfig(depth=1)),
    "glo": lambda context: GloAlgorithm(context, GLO_MODEL, "lap1", CodesConfig(init="random"), SGD),
    "autoencoder": lambda context: AutoencoderAlgorithm(context, MODEL, ADAM),
    "classifier": lambda context: ClassifierAlgorithm(
        context, ClassifierConfig(image_size=16, channels=1, classes=2), ADAM, flip=True
    ),
    "prior": lambda context: PganAlgorithm(context, PganConfig(width=8), ADAM),
}
PINNED = {"to_device.py:to_device", "to_device.py:rows_to_device"}


def shard(name: str):
    ids = torch.arange(COUNT)
    if name == "prior":
        return CodeRows(ids, torch.zeros(COUNT, 4), torch.zeros(4).double(), torch.ones(4).double())
    pixels = torch.zeros(COUNT, *(1, 16, 16), dtype=torch.uint8)
    return Images(ids, pixels, torch.zeros(COUNT, dtype=torch.int32))


@pytest.mark.parametrize("where", ["device", "host"])
@pytest.mark.parametrize("name", METHODS)
def test_a_step_is_on_one_device_and_waits_for_nothing(name, where, make_training, monkeypatch):
    training = dataclasses.replace(make_training(batch_size=BATCH), data_device=where)
    worker, rows = Worker(device=GPU), torch.arange(BATCH)
    loop = Loop(worker, training, None, None, COUNT)  # pyright: ignore
    monkeypatch.setattr(loop.batches, "at", lambda number: rows)
    with fake_gpu(monkeypatch):
        images = shard(name) if where == "host" else shard(name).on(GPU)
        with watched():  # the host reads labels
            method = METHODS[name](AlgorithmContext(worker, images, training.loop, seed=0))
            method.begin()
        loop.images, loop.algorithm = images, method
        with watched():  # the first makes what later ones find
            loop._step()
        with watched() as reads:
            loop._step()
        assert {value.device for value in loop.sums.values()} == {GPU}
        assert not reads.places
        assert set(reads.copies) <= PINNED
        with watched():
            samples = method.samples(64)
        assert samples is None or samples.device == GPU


def test_what_mixes_devices_or_reads_is_found(monkeypatch):
    """The fake GPU's own test."""
    with fake_gpu(monkeypatch), watched() as reads:
        there, here = torch.ones(3, device=GPU), torch.ones(3)
        with pytest.raises(RuntimeError, match="device"):
            torch.add(there, here)
        assert not (there.sum() > 1)
        there.cpu()
        assert not there.isnan().any()
    assert len(reads.places) == 3
