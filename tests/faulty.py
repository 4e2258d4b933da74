"""Whole runs on a few digits, and the means to kill what does the work."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import yaml

from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.plan import Plan
from preimage.specs.load import loads

TRAIN = {
    "job": "train-gan",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 400},
    "model": {"latent_dim": 4, "base_channels": 8},
    "training": {
        "total_images": 24_000,
        "batch_size": 60,
        "log_every": 1_200,
        "sample_every": 12_000,
        "checkpoint_every": 6_000,
    },
}
INVERT = {
    "job": "invert",
    "generator": "train",
    "inversion": {
        "solver": "adam",
        "init_codes": "small-normal",
        "steps": 60,
        "patience": None,
        "batch_size": 16,
    },
}


def planned(results: Path, steps: dict, tracking: str = "none", **resources: object) -> Plan:
    """A pipeline's plan, from the text a person would write."""
    spec = {
        "results": str(results),
        "tracking": {"uri": tracking},
        "resources": {"backend": "local", "gpu": False, "checkpoint_seconds": 0} | resources,
        "steps": steps,
    }
    return make_plan(loads(yaml.safe_dump(spec, sort_keys=False), "test.yaml", "test"))


@contextmanager
def meanwhile(act: Callable[[], bool], every: float = 0.05) -> Iterator[list[bool]]:
    """Try to act, again and again, until it was possible; the list says whether it ever was."""
    over, done = threading.Event(), []

    def watch() -> None:
        while not over.wait(every):
            if act():
                done.append(True)
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join(timeout=10)


def processes_below(parent: psutil.Process, named: str) -> list[psutil.Process]:
    """Those whose command line holds a word. Ray's dead workers stay for a while, as zombies without one."""
    found = []
    for each in parent.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found += [each] if named in " ".join(each.cmdline()) else []
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
