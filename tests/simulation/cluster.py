"""A job on a cluster that runs its entrypoint in this process."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import preimage
from preimage import api
from preimage.cluster import log_capture, submissions
from preimage.cluster.ray_jobs import Details
from preimage.cluster.status import Clusters
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError
from preimage.storage.folder import Folder
from preimage.storage.host_info import SUBMISSION

ADDRESS = "http://head:8265"
PRINTED = b"trained\n"


class Cluster:
    """Stands in for `Jobs`. A job of a process that was killed has failed."""

    def __init__(self, address: str) -> None:
        self.address = address

    def submit(self, submission: Submission, entrypoint: str, environment: dict[str, Any]) -> None:
        spec = shlex.split(entrypoint)[-1]
        os.environ[SUBMISSION] = environment["env_vars"][SUBMISSION]
        try:
            with log_capture.capture_output(), _errors_shown():
                planned = api.plan(spec)
                submission.makes(planned.run.folder.uri, planned.fingerprint)
                api.run(planned)
                os.write(1, PRINTED)
        except SystemExit:  # what the job printed says why
            pass
        finally:
            del os.environ[SUBMISSION]

    def status(self, submission_id: str) -> str:
        return "FAILED"

    def details(self, submission_id: str) -> Details:
        return Details("FAILED", "killed", None)


@contextmanager
def _errors_shown() -> Iterator[None]:
    """As the command line does."""
    try:
        yield
    except PreimageError as error:
        os.write(1, f"error: {error}\n".encode())
        raise SystemExit(2) from error


def submit(spec: Mapping[str, Any], results: str) -> None:
    """Submit, and look at all submissions as `preimage jobs`, `status` and `logs` do."""
    handle = preimage.submit(spec, ADDRESS, results=results)
    for each in submissions.list_all(Folder.at(results)):
        state = Clusters().status(each).state
        assert each.run
        assert state in ("finished", "failed", "died")
        assert state != "finished" or PRINTED.decode() in each.output()
        assert {"spec.yaml", "code.zip"} <= set(each.folder.names())
    if not handle.submission:
        preimage.run(spec, results=results)  # what is finished is recorded, if it was not
    handle.wait()
