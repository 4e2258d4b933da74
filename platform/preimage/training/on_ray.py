"""The loop on Ray Train's workers.

Ray Train places the workers, joins them in a process group and replaces them when they die; an elastic
training run restarts with as many as fit. Checkpoints are our own (see `checkpoints`): they are the same
files without Ray and for any number of workers, and none of Ray's state has to survive a crash.
"""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
import ray.train
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from preimage.cluster.connect import require
from preimage.config import Resources
from preimage.errors import PreimageError, StorageError, error_of, plain
from preimage.training.loop import train
from preimage.training.training import Training
from preimage.training.worker import Worker
from preimage.work.node_watch import NodeWatch
from preimage.work.reproducible import prepare_process

FAILURE = "failure.json"

BACKENDS = "cpu:gloo,cuda:nccl"
"""On GPUs: what the host exchanges then neither waits for the GPU nor fails with NCCL."""

SILENCE_S = 1200
"""How long workers wait for each other in one operation before they count as stuck and restart."""

GROW_EVERY_S = 30.0
"""How often an elastic training run looks for room for more workers. Ray's own view is up to 20 s old."""

GROUP_START, REGROUP_S = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", 15
"""How long an elastic training run waits for room that Ray reported, before it looks again."""


def fit_on_ray(training: Training, resources: Resources) -> None:
    """Train on `resources.workers` Ray workers, or at least `min_workers`. Raises what `train` raises."""
    worker = require(resources)
    run = training.run.folder
    run.remove(FAILURE)
    elastic = resources.needed < resources.workers
    trainer = TorchTrainer(
        _work,
        train_loop_config={
            "training": training,
            "resources": worker,
            "nodes": NodeWatch.from_driver(training.run.system),
        },
        torch_config=TorchConfig(BACKENDS if worker.gpu else "gloo", timeout_s=SILENCE_S),
        scaling_config=ScalingConfig(
            num_workers=(resources.needed, resources.workers) if elastic else resources.workers,
            elastic_resize_monitor_interval_s=GROW_EVERY_S,
            use_gpu=worker.gpu is True,
            resources_per_worker={"CPU": worker.cpus_per_worker} | ({"GPU": 1} if worker.gpu else {}),
        ),
        run_config=RunConfig(
            name=f"{training.run.name}-{time.time_ns()}",  # never restored: our checkpoints are the state
            storage_path=(run / "ray").path,
            storage_filesystem=run.filesystem,
            failure_config=FailureConfig(max_failures=resources.max_failures),
        ),
    )
    try:
        with _ctrl_c_stays_ours(), _regrouping_soon(elastic):
            trainer.fit()
    except (ray.train.TrainingFailedError, RayActorError) as error:
        kind = StorageError if "StorageError: " in str(error) else PreimageError
        raise kind(
            f"training failed after {resources.max_failures} restarts: {_last_line(error)}. "
            "Checkpoints are kept: run the same command again to resume."
        ) from error
    _raise_failure(training)
    (run / "ray").delete()


@contextmanager
def _ctrl_c_stays_ours() -> Iterator[None]:
    """Undo Ray Train's permanent SIGINT handler, which raises SystemExit once its workers are stopped."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if in_main:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _regrouping_soon(elastic: bool) -> Iterator[None]:
    """Ray reads this only from the environment. Only elastic runs set it: a fixed group can wait longer."""
    before = os.environ.get(GROUP_START)
    if elastic:
        os.environ[GROUP_START] = str(REGROUP_S)
    try:
        yield
    finally:
        os.environ.pop(GROUP_START, None)
        if before is not None:
            os.environ[GROUP_START] = before


def _work(config: dict[str, Any]) -> None:
    """One Ray worker. Writes a failure that the user can fix to a file instead of letting Ray retry it."""
    logging.getLogger("preimage").setLevel(logging.INFO)
    training: Training = config["training"]
    resources: Resources = config["resources"]
    nodes: NodeWatch = config["nodes"]
    prepare_process(resources.cpus_per_worker, resources.deterministic)
    try:
        with nodes.watching():
            train(Worker.of_process_group(resources.device()), training)
    except StorageError:
        raise  # affects one worker alone, and the disk may have room again when Ray Train retries
    except PreimageError as error:  # raised by all workers alike
        training.run.folder.write_json(FAILURE, plain(error))


def _raise_failure(training: Training) -> None:
    if training.run.folder.exists(FAILURE):
        raise error_of(training.run.folder.read_json(FAILURE))


def _last_line(error: Exception) -> str:
    """A worker's error message, without the traceback and the class name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^[\w.]+(Error|Exception): ", "", lines[-1]).rstrip(".") if lines else type(error).__name__
