"""Ask a cluster's autoscaler for nodes, and wait until they have joined.

Tested with both of Ray's autoscalers, over Ray's provider that starts its nodes on one machine: CPUs that
they can add, and CPUs that they cannot. Not tested: GPUs, a cloud's provider, launches that fail.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that an autoscaler has to say whether it can; it looks every 5."""
EVERY = 5.0


def wait_for_nodes(bundle: Mapping[str, float], count: int) -> bool:
    """Wait until the cluster has room for so many bundles, such as {"CPU": 2, "GPU": 1}.

    False, in at most PATIENCE seconds, where it has no autoscaler or one that can never make that room; the
    older one first adds what it can, and that may take longer. Launches that fail are the autoscaler's to
    repeat: this waits for as long as it means to go on.
    """
    import ray
    from ray.autoscaler.sdk import request_resources

    wanted = {name: each * count for name, each in bundle.items()}
    asked, told, says = time.monotonic(), False, _autoscaler()
    try:
        while True:
            request_resources(bundles=[dict(bundle)] * count)  # again: another job's takes its place
            can = says()  # before the look: what it says has joined is seen then
            has = ray.cluster_resources()
            if all(has.get(name, 0) >= each for name, each in wanted.items()):
                return True
            if can is False or (can is None and time.monotonic() - asked > PATIENCE):
                return False
            if can and not told:
                log.warning("waiting for nodes: %s wanted, %s there", _said(wanted), _said(wanted, has))
                told = True
            time.sleep(EVERY / 5)
    finally:
        request_resources(bundles=[])


def _autoscaler() -> Callable[[], bool | None]:
    """What tells whether the autoscaler can do what it is asked from now on; None: not said yet."""
    from ray.autoscaler.v2.utils import is_autoscaler_v2

    return _newer() if is_autoscaler_v2() else _older()


def _newer() -> Callable[[], bool | None]:
    """Since Ray 2.50, and on Kubernetes: it names what no kind of node can hold."""
    before = _status().cluster_resource_state.cluster_resource_state_version

    def says() -> bool | None:
        state = _status().autoscaling_state
        if state.last_seen_cluster_resource_state_version <= before:
            return None
        return not state.infeasible_cluster_resource_constraints

    return says


def _older() -> Callable[[], bool | None]:
    """The one of cluster-local.yaml: it only names what it launches, in one report and the next."""
    reports = [_report()]

    def says() -> bool | None:
        report = _report()
        if report and report.get("time") != reports[-1].get("time"):
            reports.append(report)
        told = reports[-1].get("autoscaler_report") or {}
        if len(reports) > 1 and (told.get("pending_launches") or told.get("pending_nodes")):
            return True
        return None if len(reports) < 3 else False

    return says


def _report() -> dict[str, Any]:
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.experimental.internal_kv import _internal_kv_get

    return json.loads(_internal_kv_get(DEBUG_AUTOSCALING_STATUS) or "{}")


def _status() -> Any:
    from ray.core.generated import autoscaler_pb2
    from ray.experimental.internal_kv import internal_kv_get_gcs_client

    reply = autoscaler_pb2.GetClusterStatusReply()  # pyright: ignore[reportAttributeAccessIssue]
    reply.ParseFromString(internal_kv_get_gcs_client().get_cluster_status())  # pyright: ignore
    return reply


def _said(wanted: Mapping[str, float], has: Mapping[str, float] | None = None) -> str:
    numbers = wanted if has is None else {name: has.get(name, 0) for name in wanted}
    return " and ".join(f"{number:g} {name}s" for name, number in numbers.items())
