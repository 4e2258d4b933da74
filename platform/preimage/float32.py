"""How exactly float32 products are computed: as IEEE says, or in TF32 where a setting asks for it.

TF32 keeps 10 bits of a factor's 23, and is torch's default for convolutions on NVIDIA GPUs. A user may also
have allowed it, or bfloat16 on CPUs, for the whole process (`torch.set_float32_matmul_precision`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

Float32 = Literal["ieee", "tf32"]


@contextmanager
def float32_products(precision: Float32) -> Iterator[None]:
    """Convolutions and matrix products of float32 tensors in this precision, on every device; also as a
    decorator. Afterwards as before. It is the process's: threads must not ask for different ones at once."""
    before = [kind.fp32_precision for kind in _kinds()]
    set_float32_products(precision)
    try:
        yield
    finally:
        _set(before)


def set_float32_products(precision: Float32) -> None:
    """The same for the rest of this process."""
    _set([precision for _ in _kinds()])


def _set(precisions: list[str]) -> None:
    import torch

    # torch refuses to read its older flags where they contradict the newer ones
    on_gpu, convolutions, _, on_cpu, _ = precisions
    torch.set_float32_matmul_precision(
        "medium" if on_cpu == "bf16" else "high" if on_gpu == "tf32" else "highest"
    )
    torch.backends.cudnn.allow_tf32 = convolutions == "tf32"
    for kind, precision in zip(_kinds(), precisions, strict=True):
        kind.fp32_precision = precision


def _kinds() -> list[Any]:
    """What torch has a precision of its own for."""
    from torch import backends  # the command line reads modules that name this one before it needs torch

    cudnn: Any = backends.cudnn
    mkldnn: Any = backends.mkldnn
    return [backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv]
