"""What a process computes on: the processor, its instruction set, the cores that are used, and the GPU."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

TORCH = "ATEN_CPU_CAPABILITY"
"""The variable that tells torch to use a smaller instruction set."""
ONEDNN = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Those that tell oneDNN, which computes convolutions for torch."""
BFLOAT16 = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}
"""A processor's flags of which it needs one to multiply bfloat16, or to convert it in passing."""
SETS_WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""oneDNN's names of instruction sets that have none of them."""


def machine() -> dict[str, str]:
    """This machine's processor, instruction set and first GPU, as far as they are known."""
    return dict(_machine())


def used(found: Mapping[str, str], cores: int, gpu: bool, autotuned: bool = False) -> dict[str, Any]:
    """What work on such machines uses. cores: of all its workers. autotuned: whether a GPU's kernels are."""
    about: dict[str, Any] = {"cpu": found["cpu"], "instructions": found["instructions"], "cores": cores}
    if gpu:
        about |= {"gpu": found.get("gpu", "not known")} | ({"kernels": "autotuned"} if autotuned else {})
    return about


def text(about: Mapping[str, Any]) -> str:
    """Hardware in words, short."""
    cores = about.get("cores", 1)
    words = f"{cores} core{'' if cores == 1 else 's'}, {str(about.get('instructions', '')).upper()}"
    kernels = f", {about['kernels']} kernels" if "kernels" in about else ""
    return f"{about['gpu']}{kernels}, {words}" if "gpu" in about else words


def multiplies_bfloat16() -> bool | None:
    """Whether this processor does, and oneDNN may use it; None where the flags are not known."""
    if {os.environ.get(name, "").upper() for name in ONEDNN} & SETS_WITHOUT_BFLOAT16:
        return False
    flags, _ = _processor()
    return bool(flags & BFLOAT16) if flags else None


@cache
def _machine() -> dict[str, str]:
    flags, name = _processor()
    gpu = _gpu()
    return {"cpu": name, "instructions": _instructions(flags)} | ({"gpu": gpu} if gpu else {})


def _processor() -> tuple[set[str], str]:
    """The processor's flags and name. Linux alone says its flags."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":") for line in file.read().split("\n\n")[0].splitlines()]
    except OSError:
        lines = []
    found = {key.strip(): value.strip() for key, _, value in lines}
    flags = set(f"{found.get('flags', '')} {found.get('Features', '')}".split())
    return flags, found.get("model name") or platform.processor() or platform.machine()


def _instructions(flags: set[str]) -> str:
    """The largest set that torch would use."""
    if named := os.environ.get(TORCH):
        return named
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else platform.machine()


def _gpu() -> str | None:
    """The name of the first GPU that this process may use; None if there is none."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    names = said.strip().splitlines()
    return names[0].strip() if names else None
