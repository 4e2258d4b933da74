"""Make runs reproducible and processes ready for them: seeds, threads, kernels, memory."""

import ctypes

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""


def seed_of(*parts: int) -> int:
    """One 63-bit seed from several numbers; a change in any of them gives an unrelated seed."""
    value = 0x9E3779B97F4A7C15
    for part in parts:  # splitmix64
        value = (value ^ part) + 0x9E3779B97F4A7C15 & (1 << 64) - 1
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        value = (value ^ value >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
        value ^= value >> 31
    return value >> 1


def prepare_process(cpus: int) -> None:
    """Pin threads, ask for reproducible kernels and keep freed memory, before the first network is built."""
    keep_freed_memory()
    torch.set_num_threads(cpus)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def keep_freed_memory() -> None:
    """Let glibc's malloc keep freed memory in this process, up to 1 GiB a block.

    By default every step returns the activations' memory to the system, and the next maps and zeroes it
    again: on a CPU this costs 5 to 10% of a small DCGAN's training step, and 10,000 page faults in a step
    that inverts 64 images of 64 pixels.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for threshold in (TRIM_THRESHOLD, MMAP_THRESHOLD):
            mallopt(threshold, 1 << 30)
