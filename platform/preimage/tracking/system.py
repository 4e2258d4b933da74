"""System metrics during a run, kept in the run's folder like its other metrics."""

import logging
import shutil
import subprocess
import threading
import time
from bisect import bisect_right
from typing import Any

import psutil
from pydantic import ConfigDict

from preimage.config import Config
from preimage.errors import StorageError
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.storage.validated_json import read_or_none

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two samples."""
ROWS = 360
"""Samples per file: an hour."""
MEGABYTE = 1e6


class _Sample(Config):
    model_config = ConfigDict(strict=True)

    time_ms: int
    metrics: dict[str, float]


GPU_FIELDS = ("utilization.gpu", "memory.used", "memory.total", "power.draw")


def samples(run: RunFolder, after: int = 0) -> tuple[int, list[dict[str, Any]]]:
    """The time of a run's first sample, and the samples after a time, as {time_ms, metrics}.

    Files that are not JSON are skipped. Raises StorageError for one of another version.
    """
    folder = _folder(run)
    names = folder.names()
    first = bisect_right(names, _name(after)) - 1  # the file that holds this time
    files = [read_or_none(folder, name, list[_Sample]) or [] for name in names[max(first, 0) :]]
    rows = [row for rows in files for row in rows if row["time_ms"] > after]
    return (int(names[0].split(".")[0]) if names else 0), rows


class SystemWatch:
    """Samples this machine in the background: the driver's, if workers are elsewhere."""

    def __init__(self, run: RunFolder, every: float = EVERY) -> None:
        self.folder, self.every = _folder(run), every
        self.rows: list[dict[str, Any]] = []
        self.network = psutil.net_io_counters()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="system", daemon=True)

    def __enter__(self) -> "SystemWatch":
        psutil.cpu_percent()  # the first call has nothing to compare with
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    def sample(self) -> None:
        """Add a sample. Raises StorageError."""
        if len(self.rows) == ROWS:
            self.rows = []
        self.rows.append({"time_ms": int(time.time() * 1000), "metrics": self._read()})
        self.folder.write_json(_name(self.rows[0]["time_ms"]), self.rows)

    def _watch(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(self.every)  # the last sample is taken at the end
            try:
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


def _folder(run: RunFolder) -> Folder:
    return run.folder / "system"


def _name(time_ms: int) -> str:
    return f"{time_ms:015d}.json"
