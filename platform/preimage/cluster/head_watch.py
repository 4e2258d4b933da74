"""Warn when the cluster's head is gone. Ray itself ends a driver a minute later, without a message."""

import logging
import socket
import threading
import time

import ray

log = logging.getLogger(__name__)

EVERY_S = 5.0
"""Seconds between two checks."""


def watch_head() -> None:
    """Watch the head of the cluster that this process is connected to, until it disconnects."""
    address = ray.get_runtime_context().gcs_address
    threading.Thread(target=_watch, args=(address,), name="head", daemon=True).start()


def _watch(address: str) -> None:
    missed = 0
    while ray.is_initialized() and ray.get_runtime_context().gcs_address == address:
        missed = 0 if _answers(address) else missed + 1
        if missed == 2:
            log.warning(
                "the head of the Ray cluster at %s does not answer. If it stays away for a minute, Ray ends "
                "this command with exit code 1 and without a message. Results so far are kept: when the "
                "cluster is back, run the same command again to resume.",
                address,
            )
        time.sleep(EVERY_S)


def _answers(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=EVERY_S).close()
    except OSError:
        return False
    return True
