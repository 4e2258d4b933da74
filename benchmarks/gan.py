"""A GAN's training step over that of PyTorch's own DCGAN example."""

from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

import torch
from torch.utils.data import DataLoader

from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_pair
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.gan import GanAlgorithm
from preimage.work.reproducible import keep_freed_memory

from .measure import Measurement, cpu_seconds
from .plain_gan import PlainGan
from .steps import SEED, apart, images_of, speed_up, stepping, weights

ORDINARY = DcganConfig(latent_dim=100, prior="normal", image_size=64, channels=3, base_channels=64)
ADAM = OptimizerConfig(name="adam", lr=2e-4, beta1=0.5)
BATCH, PICTURES = 128, 4_000
RATE = 1e-3
"""Of plain SGD, for the one step that is compared: Adam's first has the gradients' signs alone."""
TOLERANCE = 0.01


def over_plain(quick: bool) -> list[Measurement]:
    """Images a second of the loop over those of a plain one: the same steps.

    The plain loop runs in this process, where freed memory is kept (`reproducible.py`), and again in one of
    its own, whose memory nobody has told to stay.
    """
    keep_freed_memory()
    _require_same()
    fresh = ProcessPoolExecutor(1, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    triples = []
    with stepping(ORDINARY, PICTURES, LoopConfig(batch_size=BATCH), _learner) as ours, fresh:
        plain = _plain_loop()
        for _ in range(4 if quick else 12):
            fast = cpu_seconds(partial(ours.steps, 1))
            kept = cpu_seconds(partial(plain.steps, 1))
            triples.append((fast, kept, fresh.submit(_step_alone).result()))
    fast, kept, alone = zip(*triples[1:], strict=True)
    return [
        speed_up("train.gan_over_plain", BATCH, fast, kept, 1.15, "the plain loop with its memory kept"),
        speed_up("train.gan_over_plain.memory_returned", BATCH, fast, alone, None, "the plain loop"),
    ]


def _plain_loop() -> PlainGan:
    """The plain loop on the images and weights that ours starts from."""
    pixels = images_of(ORDINARY, PICTURES, SEED).pixels
    return PlainGan(build_pair(ORDINARY, SEED), pixels, BATCH, ORDINARY.latent_dim)


_alone = cache(_plain_loop)
"""The one of a process that does nothing else."""


def _step_alone() -> float:
    return cpu_seconds(partial(_alone().steps, 1))


def _learner(
    context: AlgorithmContext, model: DcganConfig, optimizer: OptimizerConfig = ADAM
) -> GanAlgorithm:
    return GanAlgorithm(context, model, optimizer)


def _require_same() -> None:
    """Both make one step of gradient descent on the same images and codes, from the same weights. Raises
    RuntimeError where it is not the same step.

    The generator's are 0.5% apart: BatchNorm with channels last rounds at 1e-5, and there the slopes of ReLU
    jump where an activation is that close to 0.
    """
    sgd = partial(_learner, optimizer=OptimizerConfig(name="sgd", lr=RATE))
    with stepping(ORDINARY, BATCH, LoopConfig(batch_size=BATCH), sgd) as ours:
        algorithm, plain = ours.algorithm, _plain_loop()
        assert isinstance(algorithm, GanAlgorithm)
        networks = plain.generator, plain.discriminator
        plain.of_generator, plain.of_discriminator = (
            torch.optim.SGD(each.parameters(), RATE) for each in networks
        )
        before = [weights(network) for network in networks]
        codes = algorithm.draw_codes(BATCH)
        algorithm.draw_codes = lambda count: codes
        rows = torch.arange(BATCH)
        losses = algorithm.step(rows, ours.images.batch(rows, torch.device("cpu")), 0)
        theirs = plain.step(next(iter(DataLoader(plain.loader.dataset, BATCH)))[1], codes)
    found = {
        name: apart(loss, torch.tensor(other))
        for (name, other), loss in zip(theirs.items(), losses.values(), strict=True)
    }
    pairs = zip(("generator", "discriminator"), (algorithm.generator, algorithm.discriminator), strict=True)
    found |= {
        f"{name}'s step": apart(weights(own) - old, weights(other) - old)
        for (name, own), other, old in zip(pairs, networks, before, strict=True)
    }
    if max(found.values()) > TOLERANCE:
        raise RuntimeError(f"the plain loop's step is another one, apart by {found}")
