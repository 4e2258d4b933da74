"""A job on a cluster that runs its entrypoint in this process."""

import os
import shlex
from collections.abc import Mapping
from typing import Any

import preimage
from preimage import api
from preimage.cluster import log_capture, submissions
from preimage.cluster.status import Clusters
from preimage.cluster.submissions import Submission
from preimage.storage.folder import Folder
from preimage.storage.host_info import SUBMISSION

ADDRESS = "http://head:8265"
PRINTED = "trained"


class Cluster:
    """Stands in for `Jobs`. A job of a process that was killed has failed."""

    def __init__(self, address: str) -> None:
        self.address = address

    def submit(self, submission: Submission, entrypoint: str, environment: dict[str, Any]) -> None:
        spec = shlex.split(entrypoint)[-1]
        os.environ[SUBMISSION] = environment["env_vars"][SUBMISSION]
        try:
            with log_capture.capture_output():
                planned = api.plan(spec)
                submission.makes(planned.run.folder.uri, planned.fingerprint)
                api.run(planned)
                print(PRINTED, flush=True)
        except SystemExit:  # what the job printed says why
            pass
        finally:
            del os.environ[SUBMISSION]

    def status(self, submission_id: str) -> str:
        return "FAILED"

    def message(self, submission_id: str) -> str:
        return "killed"


def submit(spec: Mapping[str, Any], results: str) -> None:
    """Submit, and look at all submissions as `preimage jobs`, `status` and `logs` do."""
    handle = preimage.submit(spec, ADDRESS, results=results)
    for each in submissions.list_all(Folder.at(results)):
        state = Clusters().status(each).state
        assert each.run
        assert state in ("finished", "failed", "died")
        assert state != "finished" or PRINTED in each.output()
        assert {"spec.yaml", "code.zip"} <= set(each.folder.names())
    handle.wait()
