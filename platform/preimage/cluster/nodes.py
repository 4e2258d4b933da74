"""The node of the Ray cluster that this process is on."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A node as Ray and people know it."""

    id: str
    name: str
    """Its host's name; with the beginning of its id if several nodes share the host."""
    is_alone: bool
    """Whether it is the cluster's only node."""


def node_id() -> str:
    """This process's node, in a driver or a worker."""
    import ray

    return ray.get_runtime_context().get_node_id()


def this_node() -> Node:
    """This process's node, and whether there are others now."""
    import ray

    id_, alive = node_id(), [each for each in ray.nodes() if each["Alive"]]
    hosts = {each["NodeID"]: each["NodeManagerHostname"] for each in alive}
    host = hosts.get(id_, id_)
    name = host if list(hosts.values()).count(host) < 2 else f"{host}-{id_[:8]}"
    return Node(id_, re.sub(r"[^\w.-]", "-", name, flags=re.ASCII), len(alive) < 2)
