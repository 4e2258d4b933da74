"""Locks that the cluster holds: each is a named actor, which ends with the driver or worker that made it."""

from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError

from preimage.storage import locks
from preimage.storage.folder import digest

NAMESPACE = "preimage"


def hold_locks() -> None:
    """From now on, the cluster holds this process's locks on storage that has no locks."""
    locks.elsewhere = _on_cluster


def _on_cluster(address: str, who: dict[str, Any]) -> locks.Try:
    name = f"lock-{digest(address.encode())[:32]}"

    def attempt() -> Callable[[], None] | dict[str, Any]:
        actor: Any = ray.remote(_Holder).options(name=name, namespace=NAMESPACE, num_cpus=0)
        try:
            holder = actor.remote(who)
        except ValueError:  # the name is taken
            return _holder_of(name)
        return lambda: ray.kill(holder)

    return attempt


def _holder_of(name: str) -> dict[str, Any]:
    try:
        holder: Any = ray.get_actor(name, NAMESPACE)
        return dict(ray.get(holder.who.remote(), timeout=10))
    except (ValueError, RayError):  # it has just ended
        return {}


class _Holder:
    def __init__(self, who: dict[str, Any]) -> None:
        self._who = who

    def who(self) -> dict[str, Any]:
        return self._who
