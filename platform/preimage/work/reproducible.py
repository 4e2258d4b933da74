"""Make processes ready for reproducible runs: threads, kernels, memory."""

import ctypes

from preimage.float32 import set_float32_products

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""


def prepare_process(cpus: int, deterministic: bool = True) -> None:
    """Pin threads, choose kernels and keep freed memory, before the first network is built.

    Float32 products are as IEEE says, where no block of work asks for TF32. deterministic: see `Resources`.
    """
    import torch

    keep_freed_memory()
    torch.set_num_threads(cpus)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    set_float32_products("ieee")


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
