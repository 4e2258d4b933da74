"""Images a second through the Inception network that evaluations use, with random weights."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from .flops import flops_of, sustained
from .rows import Measured, Row
from .setting import SEED, Setting
from .timing import timed
from .train import measured


def rows(setting: Setting, peaks: Mapping[str, float]) -> Iterator[Row]:
    yield Row("inception", lambda budget: images_per_second(setting, budget, peaks), 10)


def images_per_second(setting: Setting, budget: float, peaks: Mapping[str, float]) -> Measured:
    """Of 64 pixels, enlarged by the network to 299: logits and features, float32 as evaluations use it."""
    from safetensors.torch import save_file

    from preimage.models.inception import open_inception

    with TemporaryDirectory() as name:
        path = Path(name) / "random.safetensors"
        save_file(random_tensors(), path)
        network = open_inception(str(path))[0].to(setting.device)
    count, random = (2 if setting.tiny else 128), torch.Generator().manual_seed(SEED)
    pixels = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=random)
    pixels = pixels.to(setting.device)

    def score(number: int) -> None:
        with torch.no_grad():
            for _ in range(number):
                network(pixels)

    times = timed(score, setting.device, budget, quick=setting.tiny)
    flops = flops_of(lambda: score(1))
    found = measured(times, count)
    return Measured(
        found.value,
        found.unit,
        found.low,
        found.high,
        found.repetitions,
        found.note.replace("a step", "a batch"),
        sustained(flops, times.median, "float32", peaks),
    )


def random_tensors() -> dict[str, Tensor]:
    """Weights that keep activations finite: the real ones are on no machine without a network."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"), torch.random.fork_rng([]):
        torch.manual_seed(SEED)
        source: Any = empty
        network = FeatureExtractorInceptionV3("", ["2048"], feature_extractor_weights_path=source)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    return network.state_dict()
