"""Ray Jobs: submit a job to a running cluster, get its status, stop it."""

import json
import logging
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from preimage.cluster.submissions import Submission
from preimage.cluster.upload import EXCLUDED
from preimage.errors import PreimageError
from preimage.named_code import CODE
from preimage.storage.address import command, server_variables
from preimage.storage.host_info import SUBMISSION

HERE = "http://127.0.0.1:8265"
ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Ray's variables that name a cluster; its client prefers them to its argument."""
PATIENCE = 10.0
"""Seconds for a cluster to answer at all."""
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


def address_of(asked: str | None) -> str:
    """The address of the cluster's dashboard: as asked, from the environment, or on this machine.

    Raises PreimageError if it is not an http address.
    """
    named = [os.environ.get(name) for name in ADDRESSES]
    address = asked or next((each for each in named if each and each.startswith("http")), HERE)
    if not _is_page(address):
        raise PreimageError(
            f"{address!r} is not the address of a cluster's dashboard: give one such as {HERE}, as "
            "`ray start` and `ray up` print it"
        )
    if "@" in urlsplit(address).netloc:
        raise PreimageError("an address may contain no user and password: the cluster checks a token instead")
    return address.rstrip("/")


def _is_page(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unclosed brackets, or a port of six digits
        return False


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, address: str) -> None:
        """Raises PreimageError if no cluster answers, if it refuses us, or if its version of Ray differs."""
        self.address = address
        _require_answer(address)
        with _explained_errors(address), _only_this_address():
            self.client = JobSubmissionClient(address)
        theirs = self.client._server_ray_version  # it asked when it connected
        if theirs != ray.__version__:
            raise PreimageError(
                f"the cluster at {address} runs Ray {theirs} but this machine has Ray {ray.__version__}. "
                f"Install the same version here: pip install 'ray[default]=={theirs}'"
            )

    def submit(self, submission: Submission, entrypoint: str, environment: dict[str, Any]) -> None:
        """Submit a recorded submission under its own id. Raises PreimageError."""
        with _explained_errors(self.address), _only_this_address():
            self.client.submit_job(
                entrypoint=entrypoint,
                submission_id=submission.id,
                runtime_env=environment,
                metadata={"preimage": submission.folder.uri},
            )

    def status(self, submission_id: str) -> str | None:
        """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; None if the cluster knows no such job."""
        details = self._details(submission_id)
        return details and str(details.status.value)

    def message(self, submission_id: str) -> str:
        """Ray's message about the job."""
        details = self._details(submission_id)
        return (details and details.message) or ""

    def stop(self, submission_id: str) -> None:
        with _explained_errors(self.address):
            self.client.stop_job(submission_id)

    def _details(self, submission_id: str) -> Any:
        with _explained_errors(self.address):
            try:
                return self.client.get_job_info(submission_id)
            except RuntimeError as error:
                if "404" in str(error) or "does not exist" in str(error):
                    return None
                raise


def runtime_env(submission: Submission, packages: Sequence[Path], code: Sequence[str] = ()) -> dict[str, Any]:
    """The runtime environment of a job: the packages that it ships, its submission's address, the modules
    whose code may build generators, and the server of its s3:// addresses."""
    named = server_variables() | ({CODE: ",".join(code)} if code else {})
    return {
        "py_modules": [str(each) for each in packages],
        "excludes": EXCLUDED,
        "env_vars": {SUBMISSION: submission.folder.uri, "COLUMNS": "150"} | named,
    }


def plain_command(address: str, environment: dict[str, Any], entrypoint: Sequence[str]) -> str:
    """The same submission with Ray's own command line."""
    said = "--address", address, "--runtime-env-json", json.dumps(environment)
    return command("ray", "job", "submit", *said, "--", *map(_escaped, entrypoint))


def _escaped(word: str) -> str:
    """A word of the entrypoint: Ray's command line joins words as Windows does, which escapes double quotes
    and puts some around spaces, and the cluster's shell reads that."""
    unsafe = r"([$`])" if " " in word else r"([^\w@%+=:,./\"-])"
    return re.sub(unsafe, r"\\\1", word)


def _require_answer(address: str) -> None:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), PATIENCE).close()
    except OSError as error:
        raise PreimageError(
            f"no cluster answers at {address} ({error.strerror or error}). Start one (ray up cluster.yaml, "
            "or ray start --head), open a tunnel to its dashboard (ray dashboard cluster.yaml), or name "
            "another with --address"
        ) from error


@contextmanager
def _only_this_address() -> Iterator[None]:
    """Hide the variables that Ray prefers to this address, and its log of uploads."""
    kept = {name: os.environ.pop(name) for name in ADDRESSES if name in os.environ}
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        os.environ.update(kept)
        logging.disable(before)


@contextmanager
def _explained_errors(address: str) -> Iterator[None]:
    """Raise PreimageError for what Ray's client raises."""
    try:
        yield
    except AuthenticationError as error:
        raise PreimageError(_refused(address)) from error
    except (ConnectionError, requests.RequestException, TimeoutError) as error:
        raise PreimageError(f"the cluster at {address} does not answer: {error}") from error
    except RuntimeError as error:
        first = str(error).strip().split("\n", 1)[0][:300]
        raise PreimageError(f"the cluster at {address} reports: {first}") from error


def _refused(address: str) -> str:
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return (
            f"the cluster at {address} needs a token, and none was sent. Copy the head node's "
            "~/.ray/auth_token to the same place here, chmod 600 it, and export RAY_AUTH_MODE=token"
        )
    return (
        f"the cluster at {address} refuses the token that was sent. Copy the head node's ~/.ray/auth_token "
        "to the same place here again, and chmod 600 it. If RAY_AUTH_TOKEN is set, it takes precedence"
    )
