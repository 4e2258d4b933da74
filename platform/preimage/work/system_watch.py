"""System metrics of the machine that a process of a run is on, kept in the run's folder."""

import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from preimage.errors import StorageError
from preimage.storage.folder import Folder

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two samples."""
ROWS = 360
"""Samples per file: an hour."""
MEGABYTE = 1e6
GPU_FIELDS = ("utilization.gpu", "memory.used", "memory.total", "power.draw")


class SystemWatch:
    """Samples this machine in the background. A file holds an hour, as a list of {time_ms, metrics}.

    node: this machine's name among the nodes of a cluster. The files of a run's only node bear no name.
    named: whether they bear it from the beginning; otherwise they do once another node has files there.
    first: seconds until the first sample. leads: whether this process samples now, as one of a node's.
    """

    def __init__(
        self,
        folder: Folder,
        node: str = "",
        *,
        named: bool = False,
        every: float = EVERY,
        first: float | None = None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self.folder, self.node, self.named, self.leads = folder, node, named, leads
        self.every, self.first = every, every if first is None else min(first, every)
        self.rows: list[dict[str, Any]] = []
        self.network = psutil.net_io_counters()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="system", daemon=True)

    def __enter__(self) -> "SystemWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    def sample(self) -> None:
        """Add a sample. Raises StorageError."""
        if self.node and not self.named and any(node_of(name) for name in self.folder.names()):
            self.named, self.rows = True, []
        if len(self.rows) == ROWS:
            self.rows = []
        self.rows.append({"time_ms": int(time.time() * 1000), "metrics": self._read()})
        name = file_name(self.rows[0]["time_ms"], self.node if self.named else "")
        self.folder.write_json(name, self.rows)

    def _watch(self) -> None:
        psutil.cpu_percent()  # a thread's first call has nothing to compare with
        stopped, seconds = False, self.first
        while not stopped:
            stopped, seconds = self._stop.wait(seconds), self.every  # the last sample is taken at the end
            try:
                if self.leads():
                    self.sample()
            except StorageError as error:
                log.warning("no system metrics at this moment: %s", error)

    def _read(self) -> dict[str, float]:
        """Named as on MLflow's own page of system metrics."""
        memory, disk, network = psutil.virtual_memory(), psutil.disk_usage("/"), psutil.net_io_counters()
        received = network.bytes_recv - self.network.bytes_recv
        sent = network.bytes_sent - self.network.bytes_sent
        values = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.used / memory.total * 100,
            "disk_usage_megabytes": disk.used / MEGABYTE,
            "disk_usage_percentage": disk.percent,
            "disk_available_megabytes": disk.free / MEGABYTE,
            "network_receive_megabytes": received / MEGABYTE,
            "network_transmit_megabytes": sent / MEGABYTE,
        }
        return {f"system/{name}": round(value, 3) for name, value in (values | _gpus()).items()}


def _gpus() -> dict[str, float]:
    if not shutil.which("nvidia-smi"):
        return {}
    command = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        return parse_gpus(text)
    except (OSError, subprocess.SubprocessError):
        return {}


def parse_gpus(text: str) -> dict[str, float]:
    """nvidia-smi's lines, one per GPU, as metrics. Skips fields that a GPU does not report."""
    found: dict[str, float] = {}
    for number, line in enumerate(text.strip().splitlines()):
        utilization, used, total, power = (_number(field) for field in line.split(","))
        named = {
            "utilization_percentage": utilization,
            "memory_usage_megabytes": used,
            "memory_usage_percentage": used / total * 100 if used is not None and total else None,
            "power_usage_watts": power,
        }
        found |= {f"gpu_{number}_{name}": value for name, value in named.items() if value is not None}
    return found


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:  # [N/A]
        return None


def file_name(time_ms: int, node: str = "") -> str:
    """The file of the samples from a time on, of a node or of a run's only one: in the order of times."""
    return f"{time_ms:015d}.{node}.json" if node else f"{time_ms:015d}.json"


def node_of(name: str) -> str:
    """The node that a file's name bears; empty if it bears none."""
    return name[16:-5]
