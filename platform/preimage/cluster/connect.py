"""Start Ray on this machine, or connect to the cluster that RAY_ADDRESS names."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from preimage.config import Resources
from preimage.errors import PreimageError

QUIET = {
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",  # how soon a worker's death is seen
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "120",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # 15 otherwise: anything else on the machine then comes first
}


def connect(verbose: bool = False) -> None:
    """Connect to Ray once in this process; without RAY_ADDRESS, start it on this machine.

    Raises PreimageError where a cluster was named and does not answer.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not verbose:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    try:
        with nullcontext() if verbose else _stderr_closed():  # Ray's C++ announces its log level there
            ray.init(
                address=address,
                include_dashboard=None if address else False,
                log_to_driver=verbose,
                logging_level=logging.INFO if verbose else logging.ERROR,
            )
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise PreimageError(
            f"cannot reach {where}: {error}. `preimage doctor` looks for the cause."
        ) from error


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """Nothing reaches the terminal's stderr, from C++ either; Python's exceptions still do their work."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def require(resources: Resources) -> bool:
    """Whether each worker gets a GPU. Raises PreimageError where the cluster can never hold the workers."""
    import ray

    has = ray.cluster_resources()
    gpus, cpus = has.get("GPU", 0), has.get("CPU", 0)
    use_gpu = gpus >= resources.workers if resources.gpu == "auto" else resources.gpu
    if use_gpu and gpus < resources.workers:
        raise PreimageError(_too_many(resources, f"{resources.workers} GPUs", f"{gpus:g}"))
    if cpus < resources.workers * resources.cpus:
        raise PreimageError(_too_many(resources, f"{resources.workers * resources.cpus} CPUs", f"{cpus:g}"))
    return use_gpu


def _too_many(resources: Resources, wanted: str, there: str) -> str:
    return (
        f"{resources.workers} workers need {wanted} but the cluster has {there}. "
        "Lower resources.workers or resources.cpus, or set resources.gpu=false."
    )
