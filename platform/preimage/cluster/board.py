"""The queue's tickets in Ray's own key-value store, on the head: they live as long as the cluster does."""

import json
from typing import Any

import ray
from ray.experimental import internal_kv

from preimage.cluster.queue import Room

NAMESPACE = "preimage"
PREFIX = "queue-1/"
"""With the format's version: jobs of another one have a queue of their own."""


class RayBoard:
    """The cluster that this process is connected to."""

    def numbers(self) -> set[int]:
        keys = internal_kv._internal_kv_list(PREFIX, namespace=NAMESPACE)
        return {int(key.decode().removeprefix(PREFIX)) for key in keys}

    def add(self, number: int, ticket: dict[str, Any]) -> bool:
        return not internal_kv._internal_kv_put(
            _key(number), json.dumps(ticket), overwrite=False, namespace=NAMESPACE
        )

    def write(self, number: int, ticket: dict[str, Any]) -> None:
        internal_kv._internal_kv_put(_key(number), json.dumps(ticket), namespace=NAMESPACE)

    def read(self, number: int) -> dict[str, Any]:
        return json.loads(internal_kv._internal_kv_get(_key(number), namespace=NAMESPACE) or "{}")

    def remove(self, number: int) -> None:
        internal_kv._internal_kv_del(_key(number), namespace=NAMESPACE)

    def ended(self) -> set[str]:
        """Ray knows that a driver has ended as soon as its connection or its node is gone. A driver that is
        only frozen keeps what it holds, as it does in Ray."""
        from ray._private.state import state

        return {job["JobID"] for job in state.job_table() if job["IsDead"]}

    def capacity(self) -> Room:
        return ray.cluster_resources()


def this_job() -> str:
    """Ray's id of the job that this process is the driver of."""
    return ray.get_runtime_context().get_job_id()


def _key(number: int) -> str:
    return f"{PREFIX}{number:09d}"
