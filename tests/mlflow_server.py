"""A real MLflow server for tests: to be stopped, started again and asked what it has."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.error import URLError


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """`mlflow server` over a SQLite store in a folder."""

    def __init__(self, folder) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self, patience: float = 90) -> None:
        """Start it and wait until it answers; nothing happens where it runs."""
        if self.process:
            return
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--workers", "1"),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=quiet, process_group=0)
        wait_for(self.uri + "/health", patience)

    def kill(self) -> None:
        """No good-bye: what it was doing is lost."""
        if self.process:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            self.process = None


def wait_for(url: str, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
