"""Inception's features over torch-fidelity's own module, as its users call it."""

import io
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from preimage.models.scorer import ScorerSource
from preimage.work.reproducible import keep_freed_memory

from .measure import Measurement, cpu_seconds, measured

AIM = 1.4
SIDE = 64
ROUNDING = 1e-5
"""Of the largest value: features further apart are others."""


def features_over_plain(quick: bool) -> list[Measurement]:
    """Images a second, random weights of the published shapes, one thread. The module runs in a process of
    its own, and once more in this one, where freed memory is kept: the second is without that gain.

    Raises RuntimeError for features that are not the module's.
    """
    keep_freed_memory()
    images, triples = _images(8 if quick else 32), []
    fresh = ProcessPoolExecutor(1, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    with tempfile.TemporaryDirectory() as folder, fresh:
        weights = f"{folder}/random.safetensors"
        save_file(_random_weights(), weights)
        scorer, plain = ScorerSource(None, weights).open(torch.device("cpu")), _plain(weights)
        _require_same(scorer(images), plain(images))
        for _ in range(4 if quick else 8):
            ours = cpu_seconds(partial(scorer, images))
            kept = cpu_seconds(partial(plain, images))
            triples.append((ours, kept, fresh.submit(_seconds, weights, len(images)).result()))
    ours, kept, alone = zip(*triples[1:], strict=True)
    name, count = "evaluate.features_over_plain", len(images)
    return [
        _speed_up(name, ours, alone, count, AIM),
        _speed_up(f"{name}.memory_kept", ours, kept, count, None),
    ]


def _speed_up(
    name: str, ours: Sequence[float], plain: Sequence[float], count: int, aim: float | None
) -> Measurement:
    note = f"{count / median(ours):.1f} images/s, torch-fidelity {count / median(plain):.1f}; batch {count}"
    ratios = [other / one for one, other in zip(ours, plain, strict=True)]
    return measured(name, ratios, "x", aim, note, "processor")


def _require_same(ours: Sequence[Tensor], plain: Sequence[Tensor]) -> None:
    pairs = zip(ours, plain, strict=True)
    apart = [((one - other).abs().max() / other.abs().max()).item() for one, other in pairs]
    if max(apart) > ROUNDING:
        raise RuntimeError(f"logits and features are not torch-fidelity's: apart by {apart}")


def _seconds(weights: str, count: int) -> float:
    return cpu_seconds(partial(_plain(weights), _images(count)))


@cache
def _plain(weights: str) -> Any:
    """The library's module, opened as it opens one."""
    network = _untrained()
    network.load_state_dict(load_file(weights))
    return torch.no_grad()(network)


def _random_weights() -> dict[str, Tensor]:
    """Those of a network of which each layer makes values of about the size of its inputs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = _untrained()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.8, 1.2)
                nn.init.normal_(module.bias, std=0.05)
    return network.state_dict()


def _untrained() -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # slow to import

    empty = io.BytesIO()  # without a file it would download the published one
    torch.save({}, empty)
    empty.seek(0)
    with patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        return FeatureExtractorInceptionV3(
            "plain",
            ["logits_unbiased", "2048"],
            feature_extractor_weights_path=empty,  # pyright: ignore[reportArgumentType]
        )


def _images(count: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=random)
