"""Inside a submitted job: copy what it prints to its submission's folder, and say there how it goes.

The cluster's own record of a job goes with its head node; this one lies beside the results.
"""

import json
import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from preimage.cluster import submissions
from preimage.cluster.submissions import Submission
from preimage.errors import StorageError
from preimage.storage.host_info import host

EVERY = 2.0
"""Seconds between two writings of new output."""
BEAT = 15.0
"""Seconds between two signs of life."""
INTERRUPTED = 130
"""The exit code after SIGINT or SIGTERM."""
PART = 64 * 1024
"""Bytes of one file of output; the last one is written again as it grows."""


@contextmanager
def attended() -> Iterator[None]:
    """Copy this process's stdout and stderr to the submission that it works for, and say there how it goes.

    Raises StorageError where the submission's folder cannot be seen from here.
    """
    submission = submissions.current()
    assert submission
    if not submission.folder.exists("submission.json"):
        raise StorageError(
            f"{submission.folder.uri} cannot be seen on {host()}, where this job runs: results must lie "
            "where every machine of the cluster and the one that submits reach them, on a shared file system "
            "or at a URI such as s3://bucket/folder"
        )
    attendant = _Attendant(submission)
    attendant.start()
    code: Any = 1
    try:
        yield
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
        raise
    except Exception:
        traceback.print_exc()  # now: what is printed later is not kept
        raise SystemExit(1) from None
    finally:
        attendant.end({0: "finished", INTERRUPTED: "stopped"}.get(code, "failed"))


def _ray_job() -> str | None:
    """The id that this job has in Ray, as Ray's variable tells its processes."""
    told = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    return told.get("metadata", {}).get("job_submission_id")


class _Attendant:
    """Reads what goes to this process's stdout and stderr, passes it on, and keeps it."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.state: dict[str, Any] = {
            "attempt": submission.state().get("attempt", 0) + 1,
            "state": "running",
            "host": host(),
            "pid": os.getpid(),
            "ray_job": _ray_job(),
        }
        self.part, self.kept, self.fresh = 0, bytearray(), False
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.keeper = threading.Thread(target=self._keep, name="attendant", daemon=True)

    def start(self) -> None:
        self.submission.update(self.state)
        self.screen = os.dup(1), os.dup(2)
        reader, writer = os.pipe()
        self.reader = threading.Thread(target=self._read, args=(reader,), name="output", daemon=True)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        self.reader.start()
        self.keeper.start()

    def end(self, state: str) -> None:
        for number, screen in enumerate(self.screen, 1):
            os.dup2(screen, number)  # the last writing ends of the pipe: the reader comes to its end
        self.reader.join(timeout=5)
        self.over.set()
        self.keeper.join(timeout=30)
        self._write()
        self._try(self.submission.update, self.state | {"state": state})

    def _read(self, pipe: int) -> None:
        while data := os.read(pipe, 65536):
            os.write(self.screen[0], data)
            with self.lock:
                self.kept += data
                self.fresh = True

    def _keep(self) -> None:
        rounds = 0
        while not self.over.wait(EVERY):
            rounds += 1
            self._write()
            if rounds % round(BEAT / EVERY) == 0:
                self._try(self.submission.update, self.state)

    def _write(self) -> None:
        with self.lock:
            data, fresh, self.fresh = bytes(self.kept), self.fresh, False
        if fresh and self._try(
            self.submission.logs.write, f"{self.state['attempt']:04d}-{self.part:06d}.txt", data
        ):
            if len(data) >= PART:
                with self.lock:
                    del self.kept[: len(data)]
                self.part += 1
        elif fresh:
            self.fresh = True

    def _try(self, call: Any, *arguments: Any) -> bool:
        try:
            call(*arguments)
        except StorageError as error:
            os.write(self.screen[1], f"the submission's record lags: {error}\n".encode())
            return False
        return True
