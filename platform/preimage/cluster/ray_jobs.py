"""Ray Jobs: submit a job to a running cluster, get its status, stop it."""

import json
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import ray
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from preimage.cluster import passed_env
from preimage.cluster.submissions import Submission
from preimage.cluster.upload import EXCLUDED
from preimage.errors import PreimageError
from preimage.named_code import CODE
from preimage.storage.address import command, server_variables
from preimage.storage.host_info import SUBMISSION

T = TypeVar("T")
log = logging.getLogger(__name__)

HERE = "http://127.0.0.1:8265"
ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Ray's variables that name a cluster; its client prefers them to its argument."""
PATIENCE = 10.0
"""Seconds for a cluster to answer at all."""
SILENCE = 120.0
"""Seconds after which a cluster that took a request and says nothing is given up."""
READY = 60.0
"""Seconds for a cluster that has just been started to take a job."""
AGAIN = 2.0
"""Seconds between two tries at it."""
NOT_READY = ("No available agent to submit job", "502 Server Error", "503 Server Error", "504 Server Error")
"""What a cluster answers whose head is still starting, or a proxy before it."""
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


class Details(NamedTuple):
    """What a cluster says of a job."""

    status: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    message: str
    """Why, in Ray's words."""
    exit_code: int | None
    """Of the job's process."""


class _Client(JobSubmissionClient):
    """Ray's client, which would wait for ever for a cluster that says nothing."""

    def _do_request(self, method: str, endpoint: str, **settings: Any) -> requests.Response:
        settings.setdefault("timeout", SILENCE)
        return super()._do_request(method, endpoint, **settings)


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, address: str) -> None:
        """Raises PreimageError if no cluster answers, if it refuses us, or if its version of Ray differs."""
        self.address = address
        _require_answer(address)
        with _explained_errors(address), _only_this_address():
            self.client = _when_ready(address, lambda: _Client(address))
        theirs = self.client._server_ray_version  # it asked when it connected
        if theirs != ray.__version__:
            raise PreimageError(
                f"the cluster at {address} runs Ray {theirs} but this machine has Ray {ray.__version__}. "
                f"Install the same version here: pip install 'ray[default]=={theirs}'"
            )

    def submit(self, submission: Submission, entrypoint: str, environment: dict[str, Any]) -> None:
        """Submit a recorded submission under its own id. Raises PreimageError."""
        tries = 0

        def send() -> None:
            nonlocal tries
            tries += 1
            try:
                self.client.submit_job(
                    entrypoint=entrypoint,
                    submission_id=submission.id,
                    runtime_env=environment,
                    metadata={"preimage": submission.folder.uri},
                )
            except RuntimeError as error:  # a proxy may have lost the answer to the try before
                if tries == 1 or f"{submission.id} already exists" not in str(error):
                    raise

        with _explained_errors(self.address), _only_this_address():
            _when_ready(self.address, send)

    def pass_environment(self, submission_id: str, values: Mapping[str, str]) -> None:
        """Lay variables where the job's processes find them: see `passed_env`. Raises PreimageError."""
        with _explained_errors(self.address):
            place = f"/api/packages/gcs/{passed_env.package(submission_id)}"
            answer = self.client._do_request("PUT", place, data=passed_env.packed(values))
            if answer.status_code != 200:
                raise RuntimeError(f"the variables were not taken: {answer.status_code}")

    def forget_environment(self, submission_id: str) -> None:
        """Replace them by none, after a job that could not do so itself."""
        try:
            self.pass_environment(submission_id, {})
        except PreimageError as error:
            log.warning("the variables of %s stay in its cluster's memory: %s", submission_id, error)

    def status(self, submission_id: str) -> str | None:
        """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; None if the cluster knows no such job."""
        details = self.details(submission_id)
        return details and details.status

    def details(self, submission_id: str) -> Details | None:
        """What the cluster says of a job; None if it knows no such job. Raises PreimageError."""
        with _explained_errors(self.address):
            try:
                found = self.client.get_job_info(submission_id)
            except RuntimeError as error:
                if "404" in str(error) or "does not exist" in str(error):
                    return None
                raise
        return Details(str(found.status.value), found.message or "", found.driver_exit_code)

    def stop(self, submission_id: str) -> None:
        with _explained_errors(self.address):
            self.client.stop_job(submission_id)


def runtime_env(
    submission: Submission, packages: Sequence[Path], code: Sequence[str] = (), env: Sequence[str] = ()
) -> dict[str, Any]:
    """The runtime environment of a job: the packages that it ships, its submission's address, the modules
    whose code may build generators, the server of its s3:// addresses, and the names of passed variables."""
    named = server_variables() | ({CODE: ",".join(code)} if code else {})
    return {
        "py_modules": [str(each) for each in packages],
        "excludes": EXCLUDED,
        "env_vars": {SUBMISSION: submission.folder.uri, "COLUMNS": "150"} | named | passed_env.said(env),
        **passed_env.hook(env),
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


def _when_ready(address: str, call: Callable[[], T]) -> T:
    """What a call to a cluster returns, once its head is ready; the last error after READY seconds."""
    end, is_said = time.monotonic() + READY, False
    while True:
        try:
            return call()
        except (RuntimeError, requests.HTTPError) as error:
            if not any(each in str(error) for each in NOT_READY) or time.monotonic() > end:
                raise
            if not is_said:
                log.warning("%s is not ready yet; trying for up to %.0f seconds", address, READY)
            is_said = True
            time.sleep(AGAIN)


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
