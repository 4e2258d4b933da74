"""The machine: versions, the card, its clocks and its peak."""

import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from preimage.float32 import float32_products
from preimage.hardware import machine

from .rows import Measured, Row, Unmeasured
from .setting import Setting
from .timing import timed

PACKAGES = ("numpy", "pydantic", "pyarrow", "torch-fidelity", "torchvision", "triton")
ASKED = (
    "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu,memory.total,"
    "mig.mode.current"
)
PRECISIONS = ("float32", "tf32", "bf16")
VENDOR: dict[str, tuple[float, float, float]] = {
    "B200": (75, 1125, 2250),
    "H200": (67, 494.5, 989.5),
    "H100 PCIe": (51, 378, 756),
    "H100 NVL": (60, 417.5, 835.5),
    "H100": (67, 494.5, 989.5),
    "GH200": (67, 494.5, 989.5),
    "A100": (19.5, 156, 312),
    "A800": (19.5, 156, 312),
    "A40": (37.4, 74.8, 149.7),
    "A10G": (31.5, 35, 70),
    "A10": (31.2, 62.5, 125),
    "A6000": (38.7, 77.4, 154.8),
    "L40S": (91.6, 183, 362),
    "L40": (90.5, 90.5, 181),
    "L4": (30.3, 60, 121),
    "RTX 4090": (82.6, 82.6, 165.2),
    "RTX 3090": (35.6, 35.6, 71),
    "V100": (15.7, 0, 0),
    "T4": (8.1, 0, 0),
}
"""TFLOP/s by the vendor's data sheets, without sparsity: float32 outside the tensor cores, TF32, bfloat16; 0
where a card has no such unit. The first name that the card's holds counts."""


def about(setting: Setting, missing: list[str]) -> dict[str, Any]:
    """What whoever reads the figures must know. missing: packages for which there are stand-ins."""
    cudnn: Any = torch.backends.cudnn
    found: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "packages": {name: _version(name) for name in PACKAGES},
        "stand_ins": missing,
        "device": str(setting.device),
        "processor": machine(),
        "threads": torch.get_num_threads(),
        "tiny": setting.tiny,
        "torch_defaults": {  # before preimage sets its own
            "cudnn.allow_tf32": cudnn.conv.fp32_precision,
            "cuda.matmul": torch.backends.cuda.matmul.fp32_precision,
        },
    }
    if setting.device.type == "cuda":
        found["card"] = _card(setting.device)
    return found


def rows(setting: Setting) -> Iterator[Row]:
    for precision in PRECISIONS:
        yield Row(f"matmul.{precision}", lambda budget, p=precision: matmul_peak(setting, p, budget), 3)


def matmul_peak(setting: Setting, precision: str, budget: float) -> Measured:
    """TFLOP/s of one large square product: what a network's layers are measured against."""
    if precision != "float32":
        require_bf16(setting.device)
    size = 256 if setting.tiny else 8192 if setting.device.type == "cuda" else 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    random = torch.Generator().manual_seed(1)
    one, other = (
        torch.randn(size, size, generator=random).to(setting.device, kind) for _ in range(2)
    )  # random, because zeros draw less power and so run faster
    out = torch.empty_like(one)

    def multiply(count: int) -> None:
        for _ in range(count):
            torch.mm(one, other, out=out)

    with float32_products("tf32" if precision == "tf32" else "ieee"):
        times = timed(multiply, setting.device, budget, quick=setting.tiny)
    work = 2 * size**3 / 1e12
    vendor = vendor_peak(setting.device, precision)
    note = f"{size} x {size}" + (f"; the vendor says {vendor:g}" if vendor else "")
    return Measured(
        work / times.median,
        "TFLOP/s",
        work / times.high,
        work / times.low,
        times.repetitions,
        note,
        {"vendor_tflops": vendor},
    )


def vendor_peak(device: torch.device, precision: str) -> float | None:
    """TFLOP/s; None for a card that is not in the table."""
    if device.type != "cuda":
        return None
    words = " ".join(re.split(r"[^A-Za-z0-9]+", torch.cuda.get_device_name(device)))
    for known, peaks in VENDOR.items():
        if f" {known} " in f" {words} ":  # A10 is no part of A100
            return peaks[PRECISIONS.index(precision)] or None
    return None


def require_bf16(device: torch.device) -> None:
    """Raise Unmeasured on a card without bfloat16 units, which would emulate it."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8:
        raise Unmeasured(f"{torch.cuda.get_device_name(device)} has no units for bfloat16 or TF32")


def _card(device: torch.device) -> dict[str, Any]:
    known = torch.cuda.get_device_properties(device)
    found: dict[str, Any] = {
        "name": known.name,
        "capability": f"{known.major}.{known.minor}",
        "memory_gb": round(known.total_memory / 1e9, 1),
        "multiprocessors": known.multi_processor_count,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "vendor_tflops": {each: vendor_peak(device, each) for each in PRECISIONS},
    }
    return found | {"nvidia_smi": _nvidia_smi()}


def _nvidia_smi() -> Any:
    """What it says of each card, or why it says nothing."""
    if not shutil.which("nvidia-smi"):
        return "not installed"
    command = ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    cards = [
        dict(zip(ASKED.split(","), map(str.strip, line.split(",")), strict=False))
        for line in said.strip().splitlines()
    ]
    return cards[0] if len(cards) == 1 else {str(i): str(card) for i, card in enumerate(cards)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
