"""Make processes ready for reproducible runs: threads, kernels, memory."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""


def prepare_process(cpus: int) -> None:
    """Pin threads, ask for reproducible float32 kernels and keep freed memory, before the first network is
    built."""
    import torch

    keep_freed_memory()
    torch.set_num_threads(cpus)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # torch's default: convolutions would have 10 bits of 23


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
