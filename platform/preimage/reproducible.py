"""What makes a run repeatable: seeds that do not collide, pinned threads, the same kernels."""

import torch


def seed_of(*parts: int) -> int:
    """One 63-bit seed out of several numbers; a change in any of them gives an unrelated one."""
    value = 0x9E3779B97F4A7C15
    for part in parts:  # splitmix64
        value = (value ^ part) + 0x9E3779B97F4A7C15 & (1 << 64) - 1
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        value = (value ^ value >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
        value ^= value >> 31
    return value >> 1


def prepare_process(cpus: int) -> None:
    """Pin threads and ask for reproducible kernels, before the first network is built."""
    torch.set_num_threads(cpus)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
