"""Environment variables that a user passes to a job, such as HF_TOKEN: only their names are written anywhere.

Ray's own `env_vars` would show the values in the dashboard, in the logs of its agents, and in the command
lines of its workers. So the values go to the memory of the cluster's head, with the request that only the
token opens, and each process of the job fetches them from there when it starts. The job, or whoever sees
that it has ended, removes them.
"""

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from preimage.errors import PreimageError, SpecError
from preimage.storage.host_info import submission_id

log = logging.getLogger(__name__)

NAMES = "PREIMAGE_ENV"
"""The variable that holds the names in a job's processes."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WITHIN = "preimage's variables"  # long enough: of what it cannot keep, Ray logs the first 15 bytes
_OURS = ("PREIMAGE_", "RAY_", "__RAY_")
"""What the cluster and the submission set themselves."""


def require_names(names: Iterable[str]) -> list[str]:
    """The names, each once. Raises SpecError for what cannot be passed, without repeating a value."""
    found = list(dict.fromkeys(names))
    for name in found:
        if "=" in name:
            raise SpecError(
                f"--env takes a name alone, as in --env {name.partition('=')[0] or 'NAME'}: a value would be "
                "in the shell's history and the list of processes. Export the variable first"
            )
        if not _NAME.fullmatch(name):
            raise SpecError(f"{name!r} is not the name of an environment variable")
        if name.startswith(_OURS):
            raise SpecError(f"{name} cannot be passed: the cluster, or the submission, sets it for the job")
    return found


def values_of(names: Iterable[str]) -> dict[str, str]:
    """This process's values. Raises SpecError that lists those that are not set."""
    names = require_names(names)
    if missing := [name for name in names if name not in os.environ]:
        raise SpecError(
            f"to be passed to the job, but not set here: {', '.join(missing)}. Export each, and submit again"
        )
    return {name: os.environ[name] for name in names}


def said(names: Sequence[str]) -> dict[str, str]:
    """What a job's processes are told in their environment."""
    return {NAMES: ",".join(names)} if names else {}


def hook(names: Sequence[str]) -> dict[str, str]:
    """What makes every process of the job call `receive`, for Ray's runtime environment."""
    return {"worker_process_setup_hook": f"{__name__}.{receive.__name__}"} if names else {}


def package(submission: str) -> str:
    """The name under which the head keeps a job's variables; Ray takes it for an uploaded package."""
    return f"preimage_env_{submission}.zip"


def packed(values: Mapping[str, str]) -> bytes:
    return json.dumps({_WITHIN: dict(values)}).encode()


def receive() -> None:
    """In each process that Ray starts for the job, before anything else runs there: set the variables."""
    from ray.experimental.internal_kv import _internal_kv_get

    _set(_internal_kv_get(_key()))


def receive_first() -> None:
    """The same in the job's main process, before it connects to Ray. Raises PreimageError if some are
    gone."""
    if not (names := _names()):
        return
    from ray.exceptions import RayError

    try:
        _set(_head().internal_kv_get(_key(), None))
    except (ConnectionError, RayError) as error:
        raise PreimageError(f"the head does not answer when asked for {', '.join(names)}: {error}") from error
    if missing := [name for name in names if name not in os.environ]:
        raise PreimageError(
            f"the cluster does not have the values of {', '.join(missing)}, which it keeps only until a job "
            "ends: give `preimage submit` again, with the submission's id, where each is set"
        )


def forget() -> None:
    """In the job's main process, at its end: remove the variables from the head's memory."""
    if not _names():
        return
    from ray.exceptions import RayError

    try:
        _head().internal_kv_del(_key(), False, None)
    except (ConnectionError, RayError) as error:
        log.warning("the passed variables stay in the memory of the cluster's head: %s", error)


def _set(data: bytes | None) -> None:
    os.environ.update(json.loads(data)[_WITHIN] if data else {})


def _head() -> Any:
    """A connection to the head of this job's cluster, which needs no `ray.init`."""
    from ray._private.services import canonicalize_bootstrap_address_or_die
    from ray._raylet import GcsClient

    address = canonicalize_bootstrap_address_or_die(os.environ.get("RAY_ADDRESS", "auto"))
    return GcsClient(address=address)


def _names() -> list[str]:
    return [name for name in os.environ.get(NAMES, "").split(",") if name]


def _key() -> bytes:
    return f"gcs://{package(submission_id() or '')}".encode()
