"""Ask a cluster's autoscaler for nodes, and wait until they have joined.

Tested with both of Ray's autoscalers and Ray's provider that starts nodes on one machine: with CPUs that they
can add, and with CPUs that they cannot. Not tested: GPUs, cloud providers, launches that fail.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds for an autoscaler to report whether it can add the nodes; it checks every 5."""
EVERY = 5.0


def wait_for_nodes(
    bundle: Mapping[str, float], count: int, is_enough: Callable[[], bool] = lambda: False
) -> bool:
    """Wait until the cluster has room for `count` bundles, such as {"CPU": 2, "GPU": 1}.

    is_enough: ends the waiting earlier. Returns False within PATIENCE seconds if there is no autoscaler, or
    if it can never add the nodes. The older autoscaler first adds what it can, which may take longer. The
    autoscaler repeats failed launches: this waits as long as it keeps trying.
    """
    import ray
    from ray.autoscaler.sdk import request_resources

    wanted = {name: each * count for name, each in bundle.items()}
    begin, logged, feasible = time.monotonic(), False, _autoscaler()
    try:
        while True:
            request_resources(bundles=[dict(bundle)] * count)  # again: another job's request replaces it
            can = feasible()  # before the resources: nodes that it reports as joined are then counted
            has = ray.cluster_resources()
            if all(has.get(name, 0) >= each for name, each in wanted.items()) or is_enough():
                return True
            if can is False or (can is None and time.monotonic() - begin > PATIENCE):
                return False
            if can and not logged:
                log.warning("waiting for nodes: need %s, have %s", _listed(wanted), _listed(wanted, has))
                logged = True
            time.sleep(EVERY / 5)
    finally:
        request_resources(bundles=[])


def _autoscaler() -> Callable[[], bool | None]:
    """A function: can the autoscaler meet requests made from now on? None: not known yet."""
    from ray.autoscaler.v2.utils import is_autoscaler_v2

    return _newer() if is_autoscaler_v2() else _older()


def _newer() -> Callable[[], bool | None]:
    """Version 2, since Ray 2.50 and on Kubernetes: it reports requests that no node type can hold."""
    before = _status().cluster_resource_state.cluster_resource_state_version

    def feasible() -> bool | None:
        state = _status().autoscaling_state
        if state.last_seen_cluster_resource_state_version <= before:
            return None
        return not state.infeasible_cluster_resource_constraints

    return feasible


def _older() -> Callable[[], bool | None]:
    """Version 1, as in cluster-local.yaml: it only reports what it launches, from one report to the next."""
    reports = [_report()]

    def feasible() -> bool | None:
        report = _report()
        if report and report.get("time") != reports[-1].get("time"):
            reports.append(report)
        last = reports[-1].get("autoscaler_report") or {}
        if len(reports) > 1 and (last.get("pending_launches") or last.get("pending_nodes")):
            return True
        return None if len(reports) < 3 else False

    return feasible


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


def _listed(wanted: Mapping[str, float], has: Mapping[str, float] | None = None) -> str:
    numbers = wanted if has is None else {name: has.get(name, 0) for name in wanted}
    return " and ".join(f"{number:g} {name}s" for name, number in numbers.items())
