"""Inside a submitted job: copy its output to its submission's folder, and record its state there.

The cluster's own record of a job is lost with its head node; this one is kept beside the results.
"""

import json
import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from preimage.cluster import passed_env, submissions
from preimage.cluster.submissions import Submission
from preimage.errors import StorageError
from preimage.storage.host_info import host, now

EVERY = 2.0
"""Seconds between two writes of new output."""
BEAT = 15.0
"""Seconds between two heartbeats."""
INTERRUPTED = 130
"""The exit code after SIGINT or SIGTERM."""
PART = 64 * 1024
"""Bytes of one file of output; the last file is rewritten as it grows."""


@contextmanager
def capture_output() -> Iterator[None]:
    """Copy this process's stdout and stderr to its submission's folder, and record its state there.

    Raises StorageError if this machine cannot see the folder, PreimageError if variables that were passed to
    the job are gone.
    """
    submission = submissions.current()
    assert submission
    passed_env.receive_first()
    if not submission.folder.exists("submission.json"):
        raise StorageError(
            f"{submission.folder.uri} cannot be seen on {host()}, where this job runs. Put the results where "
            "the submitting machine and every machine of the cluster reach them: on a shared file system, or "
            "at a URI such as s3://bucket/folder"
        )
    capture = _OutputCapture(submission)
    capture.start()
    code = 1
    try:
        yield
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    except Exception:
        traceback.print_exc()  # now: later output is not captured
        raise SystemExit(1) from None
    finally:
        capture.end({0: "finished", INTERRUPTED: "stopped"}.get(code, "failed"), code)
        passed_env.forget()


def _ray_job() -> str | None:
    """This job's id in Ray, from a variable that Ray sets in its processes."""
    config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    return config.get("metadata", {}).get("job_submission_id")


class _OutputCapture:
    """Reads this process's stdout and stderr, passes them on, and writes them to the submission."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.state: dict[str, Any] = {
            "attempt": submission.state().get("attempt", 0) + 1,
            "state": "running",
            "host": host(),
            "pid": os.getpid(),
            "ray_job": _ray_job(),
            "began": now(),
        }
        self.part, self.buffer, self.fresh = 0, bytearray(), False
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.writer = threading.Thread(target=self._write_often, name="log-writer", daemon=True)

    def start(self) -> None:
        self.submission.update(self.state)
        self.screen = os.dup(1), os.dup(2)
        reader, writer = os.pipe()
        self.reader = threading.Thread(target=self._read, args=(reader,), name="log-reader", daemon=True)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        self.reader.start()
        self.writer.start()

    def end(self, state: str, code: int) -> None:
        for number, screen in enumerate(self.screen, 1):
            os.dup2(screen, number)  # closes the pipe's last write ends, so the reader ends
        self.reader.join(timeout=5)
        self.ended.set()
        self.writer.join(timeout=30)
        self._write()
        self._write()  # if that failed: a storage may fail once
        self.submission.waits("")
        self._try(self.submission.update, self.state | {"state": state, "exit_code": code})

    def _read(self, pipe: int) -> None:
        while data := os.read(pipe, 65536):
            os.write(self.screen[0], data)
            with self.lock:
                self.buffer += data
                self.fresh = True

    def _write_often(self) -> None:
        rounds = 0
        while not self.ended.wait(EVERY):
            rounds += 1
            self._write()
            if rounds % round(BEAT / EVERY) == 0:
                self._try(self.submission.update, self.state)

    def _write(self) -> None:
        with self.lock:
            data, fresh, self.fresh = bytes(self.buffer), self.fresh, False
        if fresh and self._try(
            self.submission.logs.write, f"{self.state['attempt']:04d}-{self.part:06d}.txt", data
        ):
            if len(data) >= PART:
                with self.lock:
                    del self.buffer[: len(data)]
                self.part += 1
        elif fresh:
            self.fresh = True

    def _try(self, call: Any, *arguments: Any) -> bool:
        try:
            call(*arguments)
        except StorageError as error:
            os.write(self.screen[1], f"the submission's record is behind: {error}\n".encode())
            return False
        return True
