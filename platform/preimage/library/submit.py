"""Submit a spec to a Ray cluster: what the verb `submit` and `preimage.submit` decide."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from preimage import api
from preimage.api import Spec
from preimage.cluster import passed_env, submissions
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError, SpecError
from preimage.extras import require
from preimage.jobs.base import Job
from preimage.library.recorded import where_recorded
from preimage.pipelines.planned import Planned
from preimage.pipelines.provenance import git_commit, versions
from preimage.plugins import require_installed
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.specs.overrides import Changes
from preimage.storage.address import DEFAULT, command, results_root, server_variables
from preimage.storage.folder import Folder
from preimage.storage.formats import SUBMISSION
from preimage.storage.host_info import host, now, user
from preimage.storage.plain_yaml import dump

if TYPE_CHECKING:  # Ray takes seconds to import
    from preimage.cluster.ray_jobs import Jobs
    from preimage.cluster.status import Clusters, JobStatus
    from preimage.cluster.upload import Upload

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at a job that is waited for."""
LAST_LINES = 5
"""Lines of a job's output in the message that it failed."""


@dataclass(frozen=True)
class ToSend:
    """What would be submitted."""

    planned: Planned
    values: Mapping[str, str] = field(repr=False)
    """Of the variables that are passed to the job: never written or shown."""
    retry_failed: bool
    recorded: str
    """Where the job's runs will be recorded, as far as this machine can know."""


@dataclass(frozen=True)
class Sent:
    """A submission, and what was sent for it."""

    submission: Submission
    upload: "Upload"
    command: str
    """The same with Ray's own command line, without the values of passed variables."""


def plan_submission(
    spec: Spec,
    changes: Changes = (),
    profile: str | None = None,
    results: str | None = None,
    retry_failed: bool = False,
    code: str | Sequence[str] = (),
    env: str | Sequence[str] = (),
) -> ToSend:
    """Plan a spec, which may also be an earlier submission's id: then the variables that were passed to it
    are passed again.

    Raises PreimageError like `plan`, for results that a cluster could not reach, and for variables that are
    not set.
    """
    changes, env = api.with_results(changes, results), [env] if isinstance(env, str) else list(env)
    if not isinstance(spec, Job | Mapping) and not os.path.isfile(spec):
        root = Folder.at(results_root(api.named_in(changes)))
        earlier = [each for each in submissions.list_all(root) if each.id == str(spec)]
        for each in earlier:
            _warn_of_another_server(each)
            require_installed(each.record, f"the submission {each.id}")
            env = [*each.record.get("env", []), *env]
        spec = (earlier[0].folder / "spec.yaml").uri if earlier else spec
    values = passed_env.values_of(env)
    planned = api.plan(spec, changes, profile, retry_failed=retry_failed, code=code)
    written = planned.resolved.get("results", DEFAULT)
    if "://" not in written and not os.path.isabs(written):
        raise SpecError(
            f"the results' root {written!r} would be in the job's own folder on the cluster, and be deleted "
            "with it. Give a place that all machines reach: --results /shared/results, --results "
            "s3://bucket/folder, or PREIMAGE_RESULTS"
        )
    return ToSend(planned, values, retry_failed, where_recorded(planned, values))


def send(to_send: ToSend, address: str | None = None) -> Sent:
    """Record a plan and submit it to the cluster at this address. Raises PreimageError."""
    require("submitting to a cluster", "ray")
    from preimage.cluster.ray_jobs import Jobs, address_of, plain_command, runtime_env
    from preimage.cluster.upload import PACKAGE, collect, packages_of, plugin_packages

    planned, env = to_send.planned, list(to_send.values)
    cluster = Jobs(address_of(address))
    _require_not_running(cluster, planned.root, planned.fingerprint)
    packages = list(dict.fromkeys([*packages_of(planned.code), *plugin_packages(planned.plugins)]))
    upload = collect([PACKAGE, *packages])
    submission = submissions.create(planned.root, planned.name)
    _record(submission, planned, cluster.address, upload, env)
    again = ["--retry-failed"] if to_send.retry_failed else []
    entrypoint = ["python", "-m", "preimage", "run", (submission.folder / "spec.yaml").uri, *again]
    environment = runtime_env(submission, [PACKAGE, *packages], planned.code, env)
    try:
        if env:
            cluster.pass_environment(submission.id, to_send.values)
        cluster.submit(submission, command(*entrypoint), environment)
    except BaseException:  # no cluster has it, so keep no record
        submission.folder.delete()
        if env:
            cluster.forget_environment(submission.id)
        raise
    return Sent(submission, upload, plain_command(cluster.address, environment, entrypoint))


@dataclass(frozen=True)
class Handle:
    """A submitted job; of a plan that was already finished, nothing was submitted."""

    planned: RunFolder
    submission: Submission | None = None

    @property
    def run(self) -> RunFolder:
        """The run that it makes; not final before the job has read its images."""
        return RunFolder(Folder.at(self.submission.run)) if self.submission else self.planned

    @property
    def id(self) -> str | None:
        """What every verb accepts, such as `preimage logs`; None if nothing was submitted."""
        return self.submission.id if self.submission else None

    def status(self) -> "JobStatus":
        """Its state, and why. Asks the cluster, unless the job has recorded its end."""
        from preimage.cluster.status import JobStatus

        return self._clusters.status(self.submission) if self.submission else JobStatus("finished")

    def logs(self) -> str:
        """All that it has printed."""
        return self.submission.output() if self.submission else ""

    def stop(self) -> None:
        """Stop it and all its processes; results so far are kept. Raises PreimageError if it does not end."""
        from preimage.cluster.status import stop

        if self.submission:
            stop(self._clusters, self.submission)

    def wait(self) -> Outcome:
        """The outcome, once the job has ended. Raises PreimageError if it did not finish."""
        while not (status := self.status()).has_ended:
            time.sleep(EVERY)
        outcome = self.run.outcome() if status.state == "finished" else None
        if not outcome:
            printed = "\n".join(self.logs().strip().splitlines()[-LAST_LINES:])
            why = f" ({status.why})" if status.why else ""
            raise PreimageError(f"{self.id} is {status.state}{why}. Its last lines:\n{printed}")
        return outcome

    def __repr__(self) -> str:
        return f"<{self.id or f'nothing submitted, {self.run.name} was already finished'}>"

    @cached_property
    def _clusters(self) -> "Clusters":
        from preimage.cluster.status import Clusters

        return Clusters()


def submit(
    spec: Spec,
    address: str | None = None,
    changes: Changes = (),
    profile: str | None = None,
    *,
    results: str | None = None,
    retry_failed: bool = False,
    code: str | Sequence[str] = (),
    env: str | Sequence[str] = (),
) -> Handle:
    """Submit a spec to a running Ray cluster, and return at once; all machines must reach its results.

    spec, changes, profile, results, retry_failed, code: as in `plan`; spec may also be the id of a submission
    that was stopped or lost, which resumes. address: of the cluster's dashboard; default:
    RAY_API_SERVER_ADDRESS, RAY_ADDRESS or http://127.0.0.1:8265. env: a variable of this process, or
    several, by name, that the job's processes get too; their values are stored nowhere. Raises PreimageError.
    """
    to_send = plan_submission(spec, changes, profile, results, retry_failed, code, env)
    sent = None if to_send.planned.is_done else send(to_send, address)
    return Handle(to_send.planned.run, sent.submission if sent else None)


def _require_not_running(cluster: "Jobs", root: Folder, fingerprint: str) -> None:
    """Raise PreimageError if the cluster is already running the same plan."""
    from preimage.cluster.status import ACTIVE

    for each in submissions.list_all(root):
        record = each.record
        same = fingerprint in (each.fingerprint, record["fingerprint"])  # once its images are read, or before
        same = same and record["address"] == cluster.address
        if (
            same
            and each.state().get("state") not in submissions.ENDED
            and cluster.status(each.ray_id) in ACTIVE
        ):
            raise PreimageError(
                f"the cluster is already running this plan: submission {each.id} of {record['user']}, since "
                f"{record['created']}. Follow it with `{each.command('logs', '-f')}`, or stop it first: "
                f"{each.command('stop')}"
            )


def _warn_of_another_server(earlier: Submission) -> None:
    """It goes where this machine's variables say: their addresses led to the record itself."""
    before, now_here = earlier.record["server"], server_variables()
    if before != now_here:
        log.warning(
            "%s was submitted where %s; here %s. Addresses of s3:// without options may mean another place",
            *(earlier.id, _said(before), _said(now_here)),
        )


def _said(server: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in server.items()) or "no variable named a server"


def _record(
    submission: Submission, planned: Planned, address: str, upload: "Upload", env: Sequence[str] = ()
) -> None:
    """Write the record before submitting to the cluster: a job that finds no record does not start."""
    submission.folder.write("spec.yaml", dump(planned.resolved).encode())
    submission.folder.write("code.zip", upload.archive)
    submission.folder.write_json(
        "submission.json",
        {
            **SUBMISSION.stamp(),
            "id": submission.id,
            "name": planned.name,
            "run": planned.run.folder.uri,
            "fingerprint": planned.fingerprint,
            "address": address,
            "created": now(),
            "user": user(),
            "host": host(),
            "git_commit": git_commit(),
            "versions": versions(),
            **({"plugins": planned.plugins} if planned.plugins else {}),
            **({"needs": dict(planned.needs)} if planned.needs else {}),
            **({"env": list(env)} if env else {}),
            "upload": upload.plain(),
            "server": server_variables(),
        },
    )
