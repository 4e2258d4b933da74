"""Inversion: codes recovered in each kind of float32, and image-steps a second by solver and batch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from unittest import mock

import torch
from torch import Tensor, nn

from preimage import float32
from preimage.inversion.batch import Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.loop import LOOK_EVERY
from preimage.latents.priors import make_prior

from .flops import flops_of, sustained
from .machine import require_bf16
from .rows import Measured, Row, Unmeasured
from .setting import SEED, Setting
from .timing import finish, timed

RECOVERED = 1e-4
"""Squared error of a code that counts as found (precise-recovery, section 3)."""
EXACT = {"solver": "lbfgs", "tolerance": 1e-12, "patience": None, "steps": 300}
CODES = 64


def recovery_rows(setting: Setting) -> Iterator[Row]:
    for products in ("ieee", "tf32"):
        yield Row(f"recover.{products}", lambda budget, p=products: recovery(setting, p), 20)


def rows(setting: Setting, peaks: Mapping[str, float]) -> Iterator[Row]:
    for solver, precision in (("lbfgs", "float32"), ("adam", "float32"), ("adam", "mixed")):
        for batch in setting.batches:
            yield Row(
                f"invert.{solver}.{precision}.batch_{batch}",
                lambda budget, s=solver, p=precision, b=batch: image_steps(setting, s, p, b, budget, peaks),
                12,
            )


def recovery(setting: Setting, products: str) -> Measured:
    """The share of codes that the engine finds from the images made of them, and what it takes.

    The product computes this as IEEE says; for TF32 its own scopes are made to ask for TF32 instead.
    """
    if products == "tf32":
        require_bf16(setting.device)  # the same cards have both
    generator = setting.untrained(setting.recovered)
    prior = make_prior("normal", setting.latent_dim)
    codes = prior.sample(4 if setting.tiny else CODES, torch.Generator().manual_seed(SEED))
    with torch.no_grad(), float32.float32_products("ieee"):
        images = generator(codes.to(setting.device))
    config = InversionConfig.model_validate(EXACT | ({"steps": 20} if setting.tiny else {}))
    with all_products("tf32") if products == "tf32" else nullcontext():
        engine = Engine(generator, config, prior, seed=SEED, device=setting.device)
        found = engine.invert(images)
        finish(setting.device)
    errors = (found.z - codes).square().mean(1)
    hit = errors < RECOVERED
    more = {
        "codes": len(codes),
        "error_median": errors.median().item(),
        "error_worst": errors.max().item(),
        "loss_median": found.loss.median().item(),
        "passes_median": float(found.passes.float().median()),
        "passes_setup": getattr(getattr(engine, "setup", engine), "passes", None),
    }
    note = f"median error {more['error_median']:.2g}, {more['passes_median']:.0f} passes"
    return Measured(100 * hit.float().mean().item(), "% of codes", note=note, more=more)


@contextmanager
def all_products(precision: float32.Float32) -> Iterator[None]:
    """Every scope of preimage that asks for a kind of float32 product gets this one."""
    own = float32.set_float32_products

    def instead(_: float32.Float32) -> None:
        own(precision)

    with ExitStack() as stack:
        stack.enter_context(float32.float32_products(precision))
        stack.enter_context(mock.patch.object(float32, "set_float32_products", instead))
        yield


def image_steps(
    setting: Setting, solver: str, precision: str, batch: int, budget: float, peaks: Mapping[str, float]
) -> Measured:
    """Image-steps a second of the engine with its batch full, without its setup: the seconds of long
    descents less those of short ones, over the steps between."""
    if precision == "mixed":
        require_bf16(setting.device)
    generator, target = _problem(setting)
    few, many = whole_looks(setting, 1, 4)
    short, long = (_descent(setting, generator, solver, precision, batch, each) for each in (few, many))
    images = target(batch)
    taken = [int(each(images).steps.sum()) for each in (short, long)]
    if taken[1] <= taken[0]:
        raise Unmeasured(f"all images were done after {few} steps, so nothing can be timed")
    half = budget / 2.5
    one, other = (
        timed(_repeated(each, images), setting.device, half, segment=0.0, most=5, warm_up=1)
        for each in (short, long)
    )
    steps = taken[1] - taken[0]
    seconds = (other.median - one.median) / steps
    if seconds <= 0:
        raise Unmeasured("the longer descents took no longer, so the machine is too busy to time this")
    few_flops, many_flops = (flops_of(lambda each=each: each(images)) for each in (short, long))
    flops = (many_flops - few_flops) // steps
    spread = ((other.high - other.low) + (one.high - one.low)) / (other.median - one.median) / 2
    of = "float32" if precision == "float32" else "bf16"
    more = {"whole_seconds": other.median, "image_steps": taken[1], "microseconds": seconds * 1e6}
    return Measured(
        1 / seconds,
        "image-steps/s",
        1 / (seconds * (1 + spread)) if spread < 1 else None,
        1 / (seconds * (1 - spread)) if spread < 1 else None,
        other.repetitions,
        f"{seconds * batch * 1e3:.2f} ms a step",
        more | sustained(flops, seconds, of, peaks),
    )


def whole_looks(setting: Setting, few: int, many: int) -> tuple[int, int]:
    """Steps of so many looks of the engine on a GPU: until it looks, it steps on to no effect."""
    return (2, 4) if setting.tiny else (few * LOOK_EVERY, many * LOOK_EVERY)


def _descent(
    setting: Setting, generator: nn.Module, solver: str, precision: str, batch: int, steps: int
) -> Callable[[Tensor], Inversion]:
    """So many steps of a full batch from the prior's codes: none ends before."""
    config = InversionConfig(
        solver=solver,
        steps=steps,
        patience=None,
        init_codes="prior",
        precision=precision,  # pyright: ignore[reportArgumentType]
        batch_size=batch,
    )
    prior = make_prior("normal", setting.latent_dim)
    engine = Engine(generator, config, prior, seed=SEED, device=setting.device, started=True)
    start = prior.sample(batch, torch.Generator().manual_seed(SEED + 2))
    return lambda images: engine.invert(images, start)


def _repeated(descent: Callable[[Tensor], Inversion], images: Tensor) -> Callable[[int], None]:
    def work(count: int) -> None:
        for _ in range(count):
            descent(images)

    return work


@cache
def _problem(setting: Setting) -> tuple[nn.Module, Callable[[int], Tensor]]:
    """A generator, and images that it makes."""
    generator = setting.untrained(setting.inverted)
    random = torch.Generator().manual_seed(SEED + 1)
    codes = torch.randn(max(setting.batches), setting.latent_dim, generator=random)

    @cache
    def images(count: int) -> Tensor:
        with torch.no_grad():
            return torch.cat([generator(some.to(setting.device)) for some in codes[:count].split(64)])

    return generator, images
