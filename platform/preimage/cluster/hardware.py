"""What the nodes of a Ray cluster compute on."""

import logging
import socket
from collections.abc import Callable
from typing import TypeVar

from preimage.bfloat16 import bfloat16_factor
from preimage.config import Resources
from preimage.hardware import machine, used

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
PATIENCE, PATIENCE_OF_PROBE = 10.0, 60.0
"""Seconds that the nodes have to answer: to say what they are, and to import torch and measure."""


def hardware_of(resources: Resources, gpu: bool) -> dict[str, object] | None:
    """What a job's workers compute on; of nodes that differ, all their names. None if one does not answer."""
    found = _answers(machine, PATIENCE)
    if not found:
        log.info("not all nodes said what they compute on: no later plan takes its rate from this run")
        return None
    keys = dict.fromkeys(key for each in found for key in each)
    kinds = {key: sorted({each[key] for each in found if key in each}) for key in keys}
    joined = {key: " or ".join(names) for key, names in kinds.items()}
    cores = resources.workers * resources.cpus_per_worker
    return used(joined, cores, gpu, not resources.deterministic)


def bfloat16_factor_of_nodes() -> float:
    """How many times as long as float32 bfloat16 takes on the slowest node; 1 if one does not answer."""
    found = _answers(bfloat16_factor, PATIENCE_OF_PROBE)
    if not found:
        log.info("not all nodes said how long bfloat16 takes there")
    return max(found, default=1.0)


def _answers(question: Callable[[], Answer], patience: float) -> list[Answer]:
    """Every node's with CPUs; this one is not asked by Ray. Empty if a node does not answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    others = [node["NodeID"] for node in nodes if node["NodeManagerHostname"] != socket.gethostname()]
    here = [question()] if len(others) < len(nodes) else []
    ask = ray.remote(num_cpus=0)(question)
    there = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True)).remote()
        for node in others
    ]
    if not there:
        return here
    done, left = ray.wait(there, num_returns=len(there), timeout=patience)
    return [] if left else [*here, *ray.get(done)]
