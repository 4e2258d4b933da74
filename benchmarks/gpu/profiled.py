"""What a step asks of the host: kernels launched, waits for the device, copies back. By torch.profiler."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.latents.priors import make_prior

from .captured import Captured
from .inversion import whole_looks
from .rows import Measured, Row, Unmeasured
from .setting import METHODS, SEED, Setting, steps
from .timing import finish

STEPS = 10
LAUNCHES = (
    "cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cuLaunchKernel",
    "cuLaunchKernelEx",
    "cudaGraphLaunch",
)
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")

FREE = (
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "is_same_size",
    "lift_fresh",
    "_reshape_alias",
    "_unsafe_view",
    "_local_scalar_dense",
)
"""Operators that launch nothing: what allocates, and a scalar's way to the host, which is told apart."""


def rows(setting: Setting) -> Iterator[Row]:
    size = list(setting.sizes)[-1]
    for method in METHODS:
        yield Row(f"profile.{method}.{size}", lambda budget, m=method, s=size: of_training(setting, m, s))
    for solver in ("lbfgs", "adam"):
        yield Row(f"profile.{solver}.{size}", lambda budget, o=solver: of_inversion(setting, o))


def captured_rows(setting: Setting) -> Iterator[Row]:
    size = list(setting.sizes)[-1]
    yield Row(f"profile.gan_captured.{size}", lambda budget: of_training(setting, "gan", size, Captured))


def of_training(
    setting: Setting, method: str, size: str, wrap: Callable[[Any], Any] | None = None
) -> Measured:
    if wrap and setting.device.type != "cuda":
        raise Unmeasured("a step is captured on a CUDA GPU only")
    loop = steps(setting, method, setting.sizes[size], wrap=wrap)
    loop.steps(8)
    number = 2 if setting.tiny else STEPS
    counts = _counted(lambda: loop.steps(number), setting)
    operators = Counter[str]() if wrap else operators_of(lambda: loop.steps(1))
    return _measured(counts, number, operators)


def of_inversion(setting: Setting, solver: str) -> Measured:
    """The difference of a longer and a shorter descent of one batch."""
    few, many = whole_looks(setting, 1, 3)
    generator, prior = setting.untrained(setting.inverted), make_prior("normal", setting.latent_dim)
    random = torch.Generator().manual_seed(SEED)
    start, codes = (prior.sample(min(setting.batches), random) for _ in range(2))
    with torch.no_grad():
        images = generator(codes.to(setting.device))
    counts, operators = [], []
    for number in (few, few, many):  # the first warms up
        config = InversionConfig(solver=solver, steps=number, patience=None, init_codes="prior")
        engine = Engine(generator, config, prior, seed=SEED, device=setting.device, started=True)
        engine.invert(images, start)
        counts.append(_counted(lambda engine=engine: engine.invert(images, start), setting))
        operators.append(operators_of(lambda engine=engine: engine.invert(images, start)))
    between = many - few
    each = {name: (count - operators[1][name]) / between for name, count in operators[2].items()}
    return _measured(Counter({k: n - counts[1][k] for k, n in counts[2].items()}), between, each)


def _counted(work: Callable[[], object], setting: Setting) -> Counter[str]:
    """Events by name."""
    kinds = [ProfilerActivity.CPU]
    if setting.device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    finish(setting.device)
    with profile(activities=kinds) as profiler:
        work()
        finish(setting.device)
    return Counter({event.key: event.count for event in profiler.key_averages()})


def operators_of(work: Callable[[], object]) -> Counter[str]:
    """How often each of torch's operators is called that computes something: no views, no allocations."""
    with _Operators() as counter:
        work()
    return counter.found


class _Operators(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func._overloadpacket).removeprefix("aten.")
        if name not in FREE and not func.is_view:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def _measured(found: Counter[str], number: int, operators: Mapping[str, float]) -> Measured:
    """found: events of so many steps. operators: of one."""

    def per_step(names: tuple[str, ...]) -> float:
        return sum(found[name] for name in names) / number

    launches = per_step(LAUNCHES)
    more = {
        "launches": launches,
        "waits": per_step(WAITS),
        "reads": per_step(("aten::_local_scalar_dense",)),
        "copies_to_host": per_step(tuple(name for name in found if name.startswith("Memcpy DtoH"))),
        "copies_to_device": per_step(tuple(name for name in found if name.startswith("Memcpy HtoD"))),
        "kernels_by_graphs": per_step(("cudaGraphLaunch",)),
        "operators": sum(operators.values()),
        "operators_by_name": dict(sorted(operators.items(), key=lambda item: -item[1])),
        "by_name": {name: count / number for name, count in found.most_common(40)},
    }
    note = (
        f"a step: {more['reads']:.1f} scalars read, {more['waits']:.1f} waits, "
        f"{more['copies_to_host']:.1f} copies to the host, {more['operators']:.0f} operators"
    )
    if not launches:
        note += "; no launches seen (no GPU, or no permission to profile it)"
    return Measured(launches, "launches/step", note=note, more=more)
