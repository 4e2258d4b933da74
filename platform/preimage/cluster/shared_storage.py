"""Check that all nodes of the cluster see the results."""

from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from preimage.errors import StorageError
from preimage.storage.folder import Folder

PATIENCE = 120.0
"""Seconds for a node to answer. A silent node passes: if it cannot see the results, its work fails."""


def require_seen(folder: Folder, name: str) -> None:
    """Raise StorageError if a node that is alive now does not see an existing file."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if not folder.is_local or len(nodes) < 2:
        return
    asked = {_sees_on(node, folder, name): node["NodeManagerHostname"] for node in nodes}
    ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE)
    blind = sorted({host for reference, host in asked.items() if _answer(reference) is False})
    if blind:
        raise StorageError(
            f"{folder.uri} is not the same folder on {', '.join(blind)}. Put the results on a file system "
            "that all nodes have at the same path, or at a URI such as s3://bucket/folder"
        )


def _sees_on(node: dict[str, Any], folder: Folder, name: str) -> ray.ObjectRef:
    on_node = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    return _sees.options(scheduling_strategy=on_node).remote(folder, name)


@ray.remote(num_cpus=0, max_retries=0)
def _sees(folder: Folder, name: str) -> bool:
    return folder.exists(name)


def _answer(reference: ray.ObjectRef) -> bool | None:
    try:
        return ray.get(reference, timeout=0)
    except (RayError, TimeoutError):  # the node is gone, or slow
        return None
