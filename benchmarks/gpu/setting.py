"""What is measured, and at what sizes: the real ones, or tiny ones that only show that everything runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any, Literal, cast

import torch

from preimage.data.dataset import Images
from preimage.models.config import DcganConfig
from preimage.models.dcgan import Generator, build_pair
from preimage.training.algorithm import AlgorithmContext
from preimage.training.clock import Clock
from preimage.training.config import CodesConfig, DenoiserConfig, LoopConfig, OptimizerConfig
from preimage.training.dfm import DfmAlgorithm
from preimage.training.gan import GanAlgorithm
from preimage.training.glo import GloAlgorithm
from preimage.training.loop import Loop
from preimage.training.training import Training
from preimage.training.worker import Worker

SEED = 1
LATENT_DIM, POOL, DEPTH = 100, 2, 10
METHODS = ("gan", "glo", "dfm")
Optimizer = Literal["default", "foreach"]


@dataclass(frozen=True)
class Setting:
    """The device and the sizes."""

    device: torch.device
    tiny: bool = False

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """By name: pixels and base channels."""
        return {"16px_w4": (16, 4)} if self.tiny else {"32px_w16": (32, 16), "64px_w64": (64, 64)}

    @property
    def inverted(self) -> tuple[int, int]:
        """Pixels and base channels of the generator whose images are inverted."""
        return (16, 4) if self.tiny else (64, 64)

    @property
    def recovered(self) -> tuple[int, int]:
        """Of the generator whose codes are recovered."""
        return (16, 4) if self.tiny else (32, 16)

    @property
    def latent_dim(self) -> int:
        return 8 if self.tiny else LATENT_DIM

    @property
    def batch(self) -> int:
        """Of a training step."""
        return 8 if self.tiny else 128

    @property
    def pictures(self) -> int:
        return 64 if self.tiny else 20_000

    @property
    def batches(self) -> tuple[int, ...]:
        """Of inversion."""
        return (4,) if self.tiny else (64, 512, 2048)

    def model(self, size: tuple[int, int], prior: Any = "normal") -> DcganConfig:
        pixels, width = size
        return DcganConfig(
            latent_dim=self.latent_dim, prior=prior, image_size=pixels, channels=3, base_channels=width
        )

    def untrained(self, size: tuple[int, int], prior: Any = "normal") -> Generator:
        """A generator with the batch statistics of its own activations, as benchmarks/invert.py's, on the
        device. Made on the CPU, so that it is the same everywhere."""
        generator, _ = build_pair(self.model(size, prior), SEED)
        random = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            for _ in range(20):
                generator(torch.randn(16, self.latent_dim, generator=random))
        return generator.eval().to(self.device)

    @cache  # noqa: B019 - one setting lives as long as the process
    def images(self, size: tuple[int, int]) -> Images:
        """Synthetic ones, on the host."""
        random, count = torch.Generator().manual_seed(SEED), self.pictures
        pixels = torch.randint(0, 256, (count, 3, size[0], size[0]), dtype=torch.uint8, generator=random)
        return Images(torch.arange(count), pixels, torch.full((count,), -1, dtype=torch.int32))


class Steps(Loop):
    """The product's loop, some steps at a time. Without what comes once a second or less often: progress,
    records, grids and checkpoints."""

    def __init__(self, *own: Any) -> None:
        super().__init__(*own)
        self.clock = Clock(every=inf)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self._step()


def steps(
    setting: Setting,
    method: str,
    size: tuple[int, int],
    optimizer: Optimizer = "default",
    on_device: bool = True,
    wrap: Callable[[Any], Any] | None = None,
    **loop: Any,
) -> Steps:
    """A training run of the product, ready to step. wrap: of the algorithm. loop: keys of LoopConfig."""
    worker, images = Worker(device=setting.device), setting.images(size)
    shard = images.on(setting.device) if on_device else images
    config = LoopConfig.model_validate({"batch_size": setting.batch, "total_images": 10**12} | loop)
    context = AlgorithmContext(worker, shard, config, SEED)
    algorithm = learner(setting, method, size, context)
    algorithm.begin()
    if optimizer == "foreach":
        by_many_kernels(algorithm)
    nowhere = cast(Any, None)  # nothing is written
    where = "device" if on_device else "host"
    training = Training(nowhere, nowhere, config, lambda _: algorithm, {}, SEED, _nothing, where)
    return Steps(worker, training, wrap(algorithm) if wrap else algorithm, shard, setting.pictures)


def learner(setting: Setting, method: str, size: tuple[int, int], context: AlgorithmContext) -> Any:
    """One of METHODS, with the optimiser and the rates of its job."""
    model, adam = setting.model(size), OptimizerConfig()
    if method == "gan":
        return GanAlgorithm(context, model, adam)
    if method == "dfm":
        return DfmAlgorithm(context, model, adam, DenoiserConfig(depth=2 if setting.tiny else DEPTH), POOL)
    descent = OptimizerConfig(name="sgd", lr=1.0)
    return GloAlgorithm(context, model, "lap1", CodesConfig(init="random", lr=0.08), descent)


def by_many_kernels(algorithm: Any) -> None:
    """Update by torch's foreach kernels instead of its fused one; whatever the gradients are."""
    for optimizer in algorithm.networks.optimizers.values():
        optimizer.found_inf = None
        for group in optimizer.param_groups:
            group["fused"], group["foreach"] = False, True


def _nothing(*_: Any) -> None:
    """A run here leaves nothing."""
