"""GLO's training step: on many images over few, over a plain loop, and with other settings."""

import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context

import torch
from torch.utils.data import DataLoader

from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_pair
from preimage.training.algorithm import AlgorithmContext
from preimage.training.batches import Batches
from preimage.training.config import CodesConfig, LoopConfig, OptimizerConfig
from preimage.training.glo import GloAlgorithm
from preimage.training.worker import Worker
from preimage.work.reproducible import keep_freed_memory

from .measure import Measurement, cpu_seconds, measured, seconds
from .plain_glo import PlainGlo
from .steps import SEED, Steps, apart, images_of, speed_up, stepping, weights

SMALL = DcganConfig(latent_dim=100, prior="gaussian-in-ball", image_size=32, channels=3, base_channels=16)
ORDINARY = DcganConfig(latent_dim=100, prior="gaussian-in-ball", image_size=64, channels=3, base_channels=64)
CODES = CodesConfig(init="random", lr=0.08)
"""The rate of jobs/glo.yaml; random, since where codes start costs no step anything."""
BATCH, PICTURES = 128, 4_000
TOLERANCE = 0.01


def step_200k_over_2k(quick: bool) -> Measurement:
    """Seconds of a step with 200,000 images over those with 2,000, on a small DCGAN.

    A step is the loop's: rows of the batch, their pixels, conversion, forward, backward, updates, metrics. An
    epoch of 2,000 images has 20 steps, as many as a segment, so that every segment holds one shuffle; that of
    200,000, once in 2,000 steps, is timed apart and added by its share.
    """
    keep_freed_memory()
    batch, few, many = 100, 2_000, 200_000
    number = few // batch
    config = LoopConfig(batch_size=batch)
    with stepping(SMALL, few, config, _learner) as short, stepping(SMALL, many, config, _learner) as long:
        pairs = _in_turn(partial(long.steps, number), partial(short.steps, number), 9 if quick else 41)
        rare = _shuffle(many, batch) * number / (many // batch)
        pauses = long.pause(), short.pause()  # the first ones write new files
        pauses = cpu_seconds(long.pause), cpu_seconds(short.pause)
    share = batch * number / LoopConfig().checkpoint_every
    whole = statistics.median(
        (long + rare + pauses[0] * share) / (short + pauses[1] * share) for long, short in pairs
    )
    ratios = [(long + rare) / short for long, short in pairs]
    note = (
        f"{statistics.median(short for _, short in pairs) / number * 1000:.1f} ms a step of 2,000 images; "
        f"200,000's shuffle is {rare / number * 1e6:.0f} µs of a step; {whole:.3f} with a checkpoint and "
        f"a grid in 100,000 images ({pauses[0] * 1000:.0f} ms, and {pauses[1] * 1000:.0f} ms)"
    )
    return replace(measured("glo.step_200k_over_2k", ratios, "x", 1.05, note, "processor"), at_most=True)


def over_plain(quick: bool) -> list[Measurement]:
    """Images a second of the loop over those of a plain one, with Lap1: the same steps.

    The plain loop runs in a process of its own, whose memory nobody has told to stay; and again in this one,
    where freed memory is kept (`reproducible.py`): what the second measurement lacks of the first is that.
    """
    keep_freed_memory()
    fresh = ProcessPoolExecutor(1, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    triples = []
    with stepping(ORDINARY, PICTURES, LoopConfig(batch_size=BATCH), _learner) as ours, fresh:
        plain = _plain_loop()
        _require_same(ours, plain)
        for _ in range(4 if quick else 16):
            fast = cpu_seconds(partial(ours.steps, 1))
            kept = cpu_seconds(partial(plain.steps, 1))
            triples.append((fast, kept, fresh.submit(_step_alone).result()))
    fast, kept, alone = zip(*triples[1:], strict=True)
    return [
        speed_up("glo.over_plain", BATCH, fast, alone, 1.3, "the plain loop"),
        speed_up("glo.over_plain.memory_kept", BATCH, fast, kept, 1.2, "the plain loop with its memory kept"),
    ]


def _plain_loop() -> PlainGlo:
    """The plain loop on the images, weights and codes that ours starts from."""
    images = images_of(ORDINARY, PICTURES, SEED)
    generator, _ = build_pair(ORDINARY, SEED)
    algorithm = _learner(AlgorithmContext(Worker(), images, LoopConfig(), SEED), ORDINARY)
    algorithm.begin()
    return PlainGlo(generator, algorithm.table, images.pixels, BATCH, CODES.lr)


_alone = cache(_plain_loop)
"""The one of a process that does nothing else."""


def _step_alone() -> float:
    return cpu_seconds(partial(_alone().steps, 1))


def bf16_over_float32(quick: bool) -> Measurement:
    """Images a second with precision=bf16 over those with float32."""
    return _over_default("glo.bf16_over_float32", {"precision": "bf16"}, quick)


def compiled_over_eager(quick: bool) -> Measurement:
    """Images a second with compile=true over those without, once it is compiled."""
    with torch.compiler.config.patch(force_disable_caches=True):  # pyright: ignore
        return _over_default("glo.compiled_over_eager", {"compile": True}, quick)


def _over_default(name: str, settings: dict[str, object], quick: bool) -> Measurement:
    keep_freed_memory()
    default = LoopConfig(batch_size=BATCH)
    other = LoopConfig.model_validate(default.model_dump() | settings)
    with (
        stepping(ORDINARY, PICTURES, default, _learner) as usual,
        stepping(ORDINARY, PICTURES, other, _learner) as changed,
    ):
        first = seconds(partial(changed.steps, 1))
        pairs = _in_turn(partial(changed.steps, 1), partial(usual.steps, 1), 3 if quick else 11)
    fast, slow = zip(*pairs, strict=True)
    return speed_up(name, BATCH, fast, slow, None, f"the first step took {first:.1f} s; the default")


def _learner(context: AlgorithmContext, model: DcganConfig) -> GloAlgorithm:
    return GloAlgorithm(context, model, "lap1", CODES, OptimizerConfig(name="sgd", lr=1.0))


def _require_same(ours: Steps, plain: PlainGlo) -> None:
    """Both make one step on the same images. Raises RuntimeError where it is not the same step.

    Codes' steps are up to 0.3% apart: BatchNorm with channels last rounds at 1e-5, and there the slopes of
    |x| and ReLU jump where x is that close to 0.
    """
    algorithm = ours.algorithm
    assert isinstance(algorithm, GloAlgorithm)
    codes, before = algorithm.table.clone(), weights(plain.generator)
    rows = torch.arange(BATCH)
    loss = algorithm.step(rows, ours.images.batch(rows, torch.device("cpu")), 0)["loss"]
    theirs = plain.step(*next(iter(DataLoader(plain.loader.dataset, BATCH))))
    found = {
        "loss": apart(loss, torch.tensor(theirs)),
        "codes' steps": apart(algorithm.table - codes, plain.codes - codes),
        "weights' steps": apart(weights(algorithm.generator) - before, weights(plain.generator) - before),
    }
    if max(found.values()) > TOLERANCE:
        raise RuntimeError(f"the plain loop's step is another one, apart by {found}")


def _shuffle(count: int, batch: int) -> float:
    """Seconds of the end of an epoch."""
    batches = Batches(count, batch, SEED)
    epoch = count // batch
    whole = statistics.median(cpu_seconds(partial(batches.at, epoch * k)) for k in range(1, 6))
    return whole - statistics.median(cpu_seconds(partial(batches.at, epoch * 5 + k)) for k in range(1, 6))


def _in_turn(one: Callable[[], object], other: Callable[[], object], pairs: int) -> list[tuple[float, float]]:
    """Seconds of a processor that each of the two takes, `pairs` times; once unmeasured before."""
    return [(cpu_seconds(one), cpu_seconds(other)) for _ in range(pairs + 1)][1:]
