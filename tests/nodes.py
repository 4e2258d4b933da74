"""A Ray cluster of several nodes on this machine, each with its own processes, to be killed one by one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from faulty import processes_below, wait_for
from preimage.cluster.connect import QUIET


@contextmanager
def nodes(monkeypatch, cpus: list[int]) -> Iterator[list]:
    """So many nodes, the first of them the head; this process is connected to them as a driver on the head.

    `cluster.remove_node(node, allow_graceful=False)` kills one as a power cut would.
    """
    import ray
    from ray.cluster_utils import Cluster

    from preimage.cluster.connect import connect

    ray.shutdown()
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus[0], "include_dashboard": False})
    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        rest = [cluster.add_node(num_cpus=each) for each in cpus[1:]]
        cluster.wait_for_nodes()
        connect()
        yield [cluster, cluster.head_node, *rest]
    finally:
        ray.shutdown()
        cluster.shutdown()


def workers_on(node: Any, named: str = "ray::") -> list[psutil.Process]:
    """The worker processes of a node, whose titles Ray gives them by what they do."""
    raylet = node.all_processes["raylet"][0].process
    return processes_below(psutil.Process(raylet.pid), named)


def alive() -> int:
    """How many nodes the cluster believes in."""
    import ray

    return sum(each["Alive"] for each in ray.nodes())


class Stopwatch:
    """Seconds since something was broken, by what came about since."""

    def __init__(self) -> None:
        self.begin: float | None = None
        self.seen: dict[str, float] = {}

    def start(self) -> None:
        self.begin = time.monotonic()

    def mark(self, what: str) -> float:
        """Say how long it took until now."""
        assert self.begin is not None, "nothing was broken yet"
        self.seen[what] = seconds = time.monotonic() - self.begin
        print(f"{what}: {seconds:.1f} s after the fault")
        return seconds

    def when(self, what: str, condition: Callable[[], bool], patience: float = 120) -> float:
        """Wait for something, and say how long it took."""
        wait_for(condition, patience)
        return self.mark(what)
