"""Processes of their own, because malloc's settings are for good, and torch's are this process's."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from preimage.work.reproducible import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()

def use():
    for _ in range(20):
        torch.empty(10_000_000).fill_(1)

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


PREPARED = """
import torch
from preimage.work.reproducible import prepare_process
for deterministic in (True, False):
    torch.backends.cudnn.allow_tf32 = True
    prepare_process(2, deterministic)
    cudnn = torch.backends.cudnn
    print(torch.get_num_threads(), cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision)
"""


def test_kernels_are_repeatable_unless_the_spec_wants_the_fastest():
    done = subprocess.run([sys.executable, "-c", PREPARED], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["2 True False ieee", "2 False True ieee"]


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_freed_memory_is_not_mapped_anew():
    assert faults("keep") < 1000 < faults("leave")
