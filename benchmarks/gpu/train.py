"""Training: images a second of each method as its job is, and with each setting that may make it faster."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from preimage.data.pixels import to_float
from preimage.float32 import float32_products
from preimage.models.dcgan import build_pair
from preimage.work.reproducible import prepare_process

from ..plain_gan import PlainGan
from .captured import Captured
from .flops import flops_of, sustained
from .machine import require_bf16
from .rows import Measured, Row, Unmeasured
from .setting import METHODS, SEED, Setting, steps
from .timing import Times, timed


@dataclass(frozen=True)
class Variant:
    """A way of doing the same steps."""

    optimizer: Any = "default"
    precision: str = "float32"
    deterministic: bool = True
    on_device: bool = True
    wrap: Callable[[Any], Any] | None = None
    larger: int = 1
    """Batches, in one."""
    methods: tuple[str, ...] = METHODS


DEFAULT = {"default": Variant()}
VARIANTS = {
    "tf32_autotuned": Variant(precision="tf32", deterministic=False),
    "bf16_autotuned": Variant(precision="bf16", deterministic=False),
    "images_on_host": Variant(on_device=False, methods=("gan",)),
}
CAPTURED = {
    "captured": Variant(wrap=Captured, methods=("gan",)),
    "captured_tf32_autotuned": Variant(
        wrap=Captured, precision="tf32", deterministic=False, methods=("gan",)
    ),
    "captured_bf16_autotuned": Variant(
        wrap=Captured, precision="bf16", deterministic=False, methods=("gan",)
    ),
}
OTHERS = {
    "foreach": Variant(optimizer="foreach", methods=("gan", "dfm")),
    "autotuned": Variant(deterministic=False),
    "tf32": Variant(precision="tf32"),
    "bf16": Variant(precision="bf16"),
    "batch_1024_tf32_autotuned": Variant(precision="tf32", deterministic=False, larger=8),
}
"""What is told apart last, if there is time."""


def rows(setting: Setting, peaks: Mapping[str, float], variants: Mapping[str, Variant]) -> Iterator[Row]:
    for name, variant in variants.items():
        for size in setting.sizes:
            for method in variant.methods:
                yield Row(
                    f"train.{method}.{size}.{name}",
                    lambda budget, m=method, s=size, v=variant: images_per_second(
                        setting, m, s, v, budget, peaks
                    ),
                    4,
                )


def plain_rows(setting: Setting) -> Iterator[Row]:
    for size in setting.sizes:
        for name, loads in (("plain", True), ("plain_without_loader", False)):
            yield Row(
                f"train.gan.{size}.{name}", lambda budget, s=size, a=loads: plain(setting, s, a, budget), 4
            )


def images_per_second(
    setting: Setting, method: str, size: str, variant: Variant, budget: float, peaks: Mapping[str, float]
) -> Measured:
    """Of the loop's step: rows, pixels, conversion, forward, backward, checks, updates, metrics."""
    if variant.precision != "float32":
        require_bf16(setting.device)
    if variant.wrap and setting.device.type != "cuda":
        raise Unmeasured("a step is captured on a CUDA GPU only")
    batch = setting.batch * variant.larger
    with kernels(variant.deterministic):
        loop = steps(
            setting,
            method,
            setting.sizes[size],
            variant.optimizer,
            variant.on_device,
            variant.wrap,
            precision=variant.precision,
            batch_size=batch,
        )
        times = timed(loop.steps, setting.device, budget, warm_up=8, quick=setting.tiny)
        finite = all(value.isfinite() for value in loop.sums.values())
        flops = 0 if variant.wrap else flops_of(lambda: loop.steps(1))
    if not finite:
        raise ArithmeticError("the losses became non-finite")
    found = measured(times, batch)
    more = sustained(flops, times.median, variant.precision, peaks) if flops else {}
    return replace(found, more={"milliseconds": times.median * 1e3, **more})


def plain(setting: Setting, size: str, loads: bool, budget: float) -> Measured:
    """PyTorch's DCGAN example on the same networks, with torch's own defaults: convolutions in TF32.

    loads: by a DataLoader in this process, image by image; else the step alone, on a batch that is there."""
    shape, images = setting.sizes[size], setting.images(setting.sizes[size])
    pair = build_pair(setting.model(shape), SEED)
    with torch_defaults():
        loop = PlainGan(pair, images.pixels, setting.batch, setting.latent_dim, device=setting.device)
        batch = to_float(images.pixels[: setting.batch].to(setting.device))

        def fed(count: int) -> None:
            for _ in range(count):
                loop.step(batch, torch.randn(setting.batch, setting.latent_dim, device=setting.device))

        times = timed(loop.steps if loads else fed, setting.device, budget, warm_up=8, quick=setting.tiny)
    return replace(measured(times, setting.batch), note="as PyTorch's example, with torch's defaults")


def measured(times: Times, batch: int) -> Measured:
    note = f"{times.median * 1e3:.2f} ms a step of {batch}"
    rates = batch / times.median, batch / times.high, batch / times.low
    return Measured(rates[0], "images/s", rates[1], rates[2], times.repetitions, note)


@contextmanager
def kernels(deterministic: bool) -> Iterator[None]:
    """Those that the product chooses for a job, by resources.deterministic."""
    prepare_process(torch.get_num_threads(), deterministic)
    try:
        yield
    finally:
        prepare_process(torch.get_num_threads())


@contextmanager
def torch_defaults() -> Iterator[None]:
    """What a process has that sets nothing."""
    cudnn: Any = torch.backends.cudnn
    before = cudnn.deterministic
    cudnn.deterministic = False
    try:
        with float32_products("ieee"):  # restores what was
            cudnn.conv.fp32_precision = "tf32"
            yield
    finally:
        cudnn.deterministic = before
