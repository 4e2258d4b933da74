"""Start Ray on this machine, or connect to the cluster that RAY_ADDRESS names."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from preimage.config import Resources
from preimage.errors import PreimageError
from preimage.extras import require as needs_installed
from preimage.named_code import CODE, named_code
from preimage.storage.address import server_variables
from preimage.storage.host_info import SUBMISSION

log = logging.getLogger(__name__)

QUIET = {
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",  # how soon a worker's death is seen
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "120",  # one that is silent for longer is stuck
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "120",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # with Ray's 15, anything else on the machine comes first
}

_told: list[dict[str, str]] = []
"""What the workers of this process's Ray were told of servers; empty if another started it."""


def connect(verbose: bool = False) -> None:
    """Connect to Ray once in this process; without RAY_ADDRESS, start it on this machine.

    Raises PreimageError if Ray does not start, or the cluster does not answer.
    """
    needs_installed("running on Ray (resources.backend=ray)", "ray")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not verbose:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        _require_named_there()
        _require_same_server()
        return
    # By default Ray would also join any cluster that a file in /tmp names, whoever wrote it.
    address = os.environ.get("RAY_ADDRESS") or "local"
    here = address == "local"
    try:
        # Ray's C++ prints its log level on stderr
        with (
            nullcontext() if verbose else _stderr_closed(),
            _on_loopback() if here else nullcontext(),
        ):
            ray.init(
                address=address,
                include_dashboard=False if here else None,
                log_to_driver=verbose,
                runtime_env=_environment(),
                logging_level=logging.INFO if verbose else logging.ERROR,
            )
    except Exception as error:  # Ray raises many kinds, a bare Exception among them
        where = "Ray on this machine" if here else f"the Ray cluster at {address}"
        token = (
            "" if here else " It may need a token, or another one: RAY_AUTH_MODE=token, ~/.ray/auth_token."
        )
        raise PreimageError(
            f"cannot reach {where}: {error}.{token} `preimage doctor` helps to find the cause."
        ) from error
    _told.append(server_variables())
    keep_token_private()
    if not here:
        from preimage.cluster.head_watch import watch_head

        watch_head()


def _environment() -> dict[str, Any] | None:
    """What Ray's workers need to know of this process. A submitted job's know it from the submission."""
    if SUBMISSION in os.environ:
        return None
    known = server_variables() | ({CODE: os.environ[CODE]} if CODE in os.environ else {})
    return {"env_vars": known} if known else None


def _require_named_there() -> None:
    """Raise PreimageError if Ray's workers were started without the code that is named now."""
    import ray

    environment: dict[str, Any] = ray.get_runtime_context().runtime_env or {}
    there = (environment.get("env_vars") or {}).get(CODE, "").split(",")
    if missing := [each for each in named_code() if each not in there]:
        raise PreimageError(
            f"Ray was started in this process before {missing[0]} was named: call ray.shutdown() first, or "
            f"start Python with {CODE}={','.join(named_code())}"
        )


def _require_same_server() -> None:
    """Raise PreimageError if this process told Ray's workers of other servers than it knows now."""
    known, told = server_variables(), _told[-1] if _told else None
    if told is not None and known != told:
        changed = sorted(name for name in known | told if known.get(name) != told.get(name))
        raise PreimageError(
            f"{', '.join(changed)} changed since Ray was started in this process: call ray.shutdown() first"
        )


def keep_token_private() -> None:
    """Make Ray's token readable by its owner only: Ray lets every user of the machine read it."""
    path = Path("~/.ray/auth_token").expanduser()
    with suppress(OSError):  # it does not exist, or is not ours
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray that starts in this block listens only on 127.0.0.1, its default on Windows and macOS.

    On Linux it would listen on every interface; `_node_ip_address="127.0.0.1"` does not change that.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """Discard what is written to stderr, also by C++. Python's exceptions still propagate."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def gives_gpus(resources: Resources) -> bool:
    """Whether the workers get GPUs on the cluster as it is now."""
    import ray

    enough = ray.cluster_resources().get("GPU", 0) >= resources.needed
    return enough if resources.gpu == "auto" else resources.gpu


def require(resources: Resources) -> Resources:
    """What each worker gets: with a GPU, or without.

    If the cluster's autoscaler can add missing nodes, this waits for them.

    Raises PreimageError if the cluster can never hold the workers.
    """
    import ray

    has = ray.cluster_resources()
    gpus, cpus = has.get("GPU", 0), has.get("CPU", 0)
    use_gpu = gives_gpus(resources)
    if cpus >= resources.needed * resources.cpus_per_worker and (gpus >= resources.needed or not use_gpu):
        if resources.gpu == "auto" and 0 < gpus < resources.needed:
            log.warning(
                "the cluster has %g GPUs for %d workers: all of them use the CPU. With at most %g workers "
                "(resources.workers) each would have one.",
                *(gpus, resources.needed, gpus),
            )
        return resources.placed(use_gpu)
    if os.environ.get("RAY_ADDRESS", "local") != "local":
        from preimage.cluster.autoscaling import wait_for_nodes

        for gpu in (True, False) if resources.gpu == "auto" else (resources.gpu,):
            bundle = {"CPU": resources.cpus_per_worker} | ({"GPU": 1} if gpu else {})
            if wait_for_nodes(bundle, resources.needed):
                return resources.placed(gpu)
    if use_gpu and gpus < resources.needed:
        raise PreimageError(_too_many(resources, f"{resources.needed} GPUs", f"{gpus:g}"))
    raise PreimageError(
        _too_many(resources, f"{resources.needed * resources.cpus_per_worker} CPUs", f"{cpus:g}")
    )


def _too_many(resources: Resources, wanted: str, has: str) -> str:
    return (
        f"{resources.needed} workers need {wanted} but the cluster has {has}. "
        "Lower resources.workers or resources.cpus_per_worker, or set resources.gpu=false."
    )
