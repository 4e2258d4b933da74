"""Whether bfloat16 pays on this processor.

One that does not multiply bfloat16 converts every number, and takes 18 times as long with AVX2 in the probe
below. What decides is the instruction set that oneDNN uses, not torch's own.
"""

import time
from functools import cache
from statistics import median
from typing import Any

CHANNELS, SIDE, IMAGES = 64, 16, 2
"""Of the probe's maps: those of a small generator's middle layers."""
ROUNDS = 3
TOLERATED = 1.2
"""How many times as long bfloat16 may take before a user is told: a small net's casts cost about that."""


@cache
def bfloat16_factor() -> float:
    """How many times as long as in float32 a convolution and a transposed one take here on the CPU, forward
    and backward; below 1 where bfloat16 pays. Measured once per process, in 0.05 s to 0.4 s, on one thread:
    more of them spin while they wait for each other, which counts as processor time on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        full, low = _net(torch.float32), _net(torch.bfloat16)
        for each in (full, low):
            _seconds(*each)  # the first call prepares the kernels
        pairs = [(_seconds(*full), _seconds(*low)) for _ in range(ROUNDS)]
    finally:
        torch.set_num_threads(before)
    return median(slow / fast for fast, slow in pairs)


def _net(precision: Any) -> tuple[Any, Any]:
    """The layers, and a batch for them."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        layers = nn.Sequential(
            nn.Conv2d(CHANNELS, 2 * CHANNELS, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * CHANNELS, CHANNELS, 4, 2, 1),
        )
        maps = torch.randn(IMAGES, CHANNELS, SIDE, SIDE)
    how: dict[str, Any] = {"dtype": precision, "memory_format": torch.channels_last}
    return layers.to(**how), maps.to(**how).requires_grad_()


def _seconds(layers: Any, maps: Any) -> float:
    """Of processor time, which other processes do not change much."""
    began = time.process_time()
    layers(maps).float().square().sum().backward()
    return time.process_time() - began
