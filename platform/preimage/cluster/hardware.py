"""What the nodes of a Ray cluster compute on."""

import logging
import socket

from preimage.config import Resources
from preimage.hardware import machine, used

log = logging.getLogger(__name__)
PATIENCE = 10.0
"""Seconds that the nodes have to answer."""


def hardware_of(resources: Resources, gpu: bool) -> dict[str, object] | None:
    """What a job's workers compute on; of nodes that differ, all their names. None if one does not answer."""
    found = _machines()
    if not found:
        log.info("not all nodes said what they compute on: no later plan takes its rate from this run")
        return None
    keys = dict.fromkeys(key for each in found for key in each)
    kinds = {key: sorted({each[key] for each in found if key in each}) for key in keys}
    joined = {key: " or ".join(names) for key, names in kinds.items()}
    cores = resources.workers * resources.cpus_per_worker
    return used(joined, cores, gpu, not resources.deterministic)


def _machines() -> list[dict[str, str]]:
    """One entry for each node with CPUs; this one is not asked by Ray. Empty if a node does not answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    others = [node["NodeID"] for node in nodes if node["NodeManagerHostname"] != socket.gethostname()]
    here = [machine()] if len(others) < len(nodes) else []
    ask = ray.remote(num_cpus=0)(machine)
    there = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True)).remote()
        for node in others
    ]
    if not there:
        return here
    done, left = ray.wait(there, num_returns=len(there), timeout=PATIENCE)
    return [] if left else [*here, *ray.get(done)]
