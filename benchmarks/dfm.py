"""What denoising feature matching costs a GAN's step, at the paper's sizes."""

import statistics
from dataclasses import replace
from functools import partial

import torch

from preimage.data.dataset import Images
from preimage.data.pixels import to_float
from preimage.models.config import DcganConfig
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import DenoiserConfig, LoopConfig, OptimizerConfig
from preimage.training.dfm import DfmAlgorithm
from preimage.training.gan import GanAlgorithm
from preimage.training.worker import Worker
from preimage.work.reproducible import keep_freed_memory

from .measure import Measurement, cpu_seconds, measured

IMAGENET = DcganConfig(latent_dim=256, prior="uniform", image_size=32, channels=3, base_channels=128)
DEPTH, POOL, BATCH, SEED = 10, 2, 128, 1
ADAM = OptimizerConfig(name="adam", lr=1e-4, beta1=0.5)


def step_over_dcgan(quick: bool) -> list[Measurement]:
    """Seconds of a step with the denoiser over those of the same job without, and over train-gan's.

    ImageNet's sizes: 32 pixels, width 128, a denoiser of 10 layers of 2,048 on as many features. The three
    take turns on one thread.
    """
    keep_freed_memory()
    context, images = _setting(), to_float(_images().pixels)
    denoiser = DenoiserConfig(depth=DEPTH)
    learners = {
        "with": DfmAlgorithm(context, IMAGENET, ADAM, denoiser, POOL),
        "without": DfmAlgorithm(context, IMAGENET, ADAM, None, POOL),
        "train-gan": GanAlgorithm(context, IMAGENET, ADAM),
    }
    rows, taken = torch.arange(BATCH), {name: [] for name in learners}
    for number in range(3 if quick else 9):
        for name, algorithm in learners.items():
            taken[name].append(cpu_seconds(partial(algorithm.step, rows, images, number)))
    steady = {name: each[1:] for name, each in taken.items()}  # the first step allocates
    note = ", ".join(f"{statistics.median(each):.2f} s {name}" for name, each in steady.items())
    return [
        _ratio("dfm.step_over_dcgan", steady["with"], steady["without"], 1.35, f"a step: {note}"),
        _ratio(
            "dfm.step_over_train_gan", steady["with"], steady["train-gan"], None, "the discriminator first"
        ),
    ]


def _ratio(name: str, ours: list[float], theirs: list[float], aim: float | None, note: str) -> Measurement:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return replace(measured(name, ratios, "x", aim, note, "processor"), at_most=True)


def _setting() -> AlgorithmContext:
    return AlgorithmContext(Worker(), _images(), LoopConfig(batch_size=BATCH), SEED)


def _images() -> Images:
    random = torch.Generator().manual_seed(SEED)
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), dtype=torch.uint8, generator=random)
    return Images(torch.arange(BATCH), pixels, torch.full((BATCH,), -1, dtype=torch.int32))
