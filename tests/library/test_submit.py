"""Submitting from Python, and what its handle knows; tests/cluster/test_submit.py has a real cluster."""

from types import SimpleNamespace

import pytest

import preimage
from preimage.cluster import ray_jobs
from preimage.cluster import status as cluster_status
from preimage.cluster.ray_jobs import Details
from preimage.cluster.submissions import list_all
from preimage.errors import PreimageError, SpecError, TrackingError
from preimage.library import submit as room
from preimage.library.recorded import where_recorded
from preimage.storage.folder import Folder
from shell import SPEC
from submitted import say


class Cluster:
    """Stands in for `Jobs`: it runs nothing, and says that every job is running."""

    address = "http://head:8265"
    sent: list[str] = []  # noqa: RUF012
    stopped: list[str] = []  # noqa: RUF012
    passed: dict[str, dict[str, str]] = {}  # noqa: RUF012
    environment: dict = {}  # noqa: RUF012
    refuses = False

    def __init__(self, address):
        assert address == self.address

    def submit(self, submission, entrypoint, environment):
        if self.refuses:
            raise PreimageError("no room")
        self.sent.append(entrypoint)
        self.environment.update(environment)

    def pass_environment(self, job, values):
        self.passed[job] = dict(values)

    def forget_environment(self, job):
        self.passed[job] = {}

    def status(self, job):
        return "STOPPED" if job in self.stopped else "RUNNING"

    def details(self, job):
        return Details(self.status(job), "", None)

    def stop(self, job):
        self.stopped.append(job)


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_jobs, "Jobs", Cluster)
    monkeypatch.setattr(cluster_status, "Jobs", Cluster)
    (tmp_path / "job.yaml").write_text(SPEC)
    return tmp_path / "job.yaml"


def submit(spec, tmp_path, **settings):
    return preimage.submit(
        spec, Cluster.address, {"training.total_images": 48}, results=str(tmp_path), **settings
    )


def test_a_handle_follows_its_job_to_its_outcome(spec, tmp_path, monkeypatch):
    handle = submit(spec, tmp_path)
    record = handle.submission.record
    assert Cluster.sent[-1] == f"python -m preimage run {handle.submission.folder.uri}/spec.yaml"
    assert record["run"] == handle.run.folder.uri
    assert repr(handle) == f"<{handle.id}>"
    assert handle.status().state == "pending"
    say(handle.submission, "running")
    assert handle.status().state == "running"
    handle.submission.logs.write("0001-000000.txt", b"training: 48 of 48\n")
    assert handle.logs() == "training: 48 of 48\n"
    with pytest.raises(PreimageError, match=f"already running this plan: submission {handle.id}"):
        submit(spec, tmp_path)
    handle.submission.makes(f"{tmp_path}/runs/final", "known once its images are read")
    with pytest.raises(PreimageError, match=f"already running this plan: submission {handle.id}"):
        submit(spec, tmp_path)
    handle.submission.makes(record["run"], record["fingerprint"])

    def job(seconds):  # what the cluster does while it is waited for
        preimage.run(f"{handle.submission.folder.uri}/spec.yaml")
        say(handle.submission, "finished")

    monkeypatch.setattr(room, "time", SimpleNamespace(sleep=job))
    outcome = handle.wait()
    assert outcome.folder == handle.run.folder.uri
    again = submit(spec, tmp_path)
    assert (again.id, again.status().state, again.logs(), again.wait()) == (None, "finished", "", outcome)
    assert len(list_all(Folder.at(tmp_path))) == 1


def test_a_stopped_job_is_no_outcome(spec, tmp_path):
    handle = submit(spec, tmp_path)
    handle.submission.logs.write("0001-000000.txt", b"training: 12 of 48\n")
    handle.stop()
    assert handle.submission.asked_to_stop()
    assert Cluster.stopped == [handle.id]
    with pytest.raises(PreimageError, match=f"{handle.id} is stopped. Its last lines:\ntraining: 12 of 48"):
        handle.wait()
    resumed = submit(handle.id, tmp_path)
    assert resumed.id != handle.id
    assert resumed.run == handle.run


def test_what_no_cluster_took_leaves_no_record(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(Cluster, "refuses", True)
    with pytest.raises(PreimageError, match="no room"):
        submit(spec, tmp_path)
    assert list_all(Folder.at(tmp_path)) == []
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match="'here' would be in the job's own folder"):
        preimage.submit(spec, Cluster.address, results="here")


def everything(tmp_path) -> bytes:
    return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_variables_are_passed_by_name_and_their_values_written_nowhere(spec, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "v4lue-of-hf")
    handle = submit(spec, tmp_path, env=["HF_TOKEN"])
    assert Cluster.passed[handle.id] == {"HF_TOKEN": "v4lue-of-hf"}
    assert handle.submission.record["env"] == ["HF_TOKEN"]
    assert Cluster.environment["env_vars"]["PREIMAGE_ENV"] == "HF_TOKEN"
    assert "v4lue-of-hf" not in str(Cluster.environment) + str(capsys.readouterr()) + repr(handle)
    assert b"v4lue-of-hf" not in everything(tmp_path)
    handle.stop()

    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SpecError, match="to be passed to the job, but not set here: HF_TOKEN"):
        submit(handle.id, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "another")
    monkeypatch.setenv("MORE", "m")
    again = submit(handle.id, tmp_path, env=["MORE", "HF_TOKEN"])
    assert Cluster.passed[again.id] == {"HF_TOKEN": "another", "MORE": "m"}
    again.stop()
    monkeypatch.setattr(Cluster, "refuses", True)
    with pytest.raises(PreimageError, match="no room"):
        submit(spec, tmp_path, env=["MORE"])
    assert {} in Cluster.passed.values(), "what no cluster took, it forgets"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "HF_TOKEN=v4lue",
            "takes a name alone, as in --env HF_TOKEN: a value would be in the shell's history",
        ),
        ("=v4lue", "as in --env NAME"),
        ("HF-TOKEN", "'HF-TOKEN' is not the name of an environment variable"),
        ("", "is not the name"),
        ("RAY_ADDRESS", "RAY_ADDRESS cannot be passed"),
        ("PREIMAGE_SUBMISSION", "PREIMAGE_SUBMISSION cannot be passed"),
    ],
)
def test_what_is_no_name_of_a_variable_is_refused_and_not_repeated(spec, tmp_path, name, message):
    with pytest.raises(SpecError, match=message) as raised:
        submit(spec, tmp_path, env=[name])
    assert "v4lue" not in str(raised.value)
    assert list_all(Folder.at(tmp_path)) == []


@pytest.mark.parametrize(
    ("uri", "variable", "env", "expected"),
    [
        ("http://named:5000", "http://mine:5000", (), "http://named:5000, experiment preimage"),
        ("auto", None, (), "the cluster's MLFLOW_TRACKING_URI, or else MLflow in {root}/mlflow.db, exp"),
        ("auto", "http://mine:5000", (), "the cluster's MLFLOW_TRACKING_URI (yours is not passed: --env MLF"),
        ("auto", "http://mine:5000", ["MLFLOW_TRACKING_URI"], "the MLFLOW_TRACKING_URI that is passed to"),
        ("local", "http://mine:5000", (), "MLflow in {root}/mlflow.db, experiment"),
    ],
)
def test_where_the_job_records_is_not_where_this_machine_would(
    spec, tmp_path, monkeypatch, uri, variable, env, expected
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", variable or "")
    changes = {"tracking.uri": uri}
    found = room.plan_submission(spec, changes, results=str(tmp_path), env=env).recorded
    assert found.startswith(expected.format(root=tmp_path))
    assert "mine" not in found


def test_a_sqlite_file_in_a_bucket_is_refused_before_anything_is_sent(spec, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    bucket = "s3://bucket/results?endpoint_override=http://127.0.0.1:1&scheme=http&region=us-east-1"
    planned = SimpleNamespace(root=Folder.at(bucket), resolved={"tracking": {"uri": "local"}})
    with pytest.raises(TrackingError, match="cannot hold a SQLite file: name an MLflow server"):
        where_recorded(planned)
    planned.resolved = {"tracking": {"uri": "auto"}}
    assert where_recorded(planned).startswith(
        "the cluster's MLFLOW_TRACKING_URI, or else nowhere: the job is refused without one"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@mlflow")
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI") as raised:
        where_recorded(planned, ["MLFLOW_TRACKING_URI"])
    assert "s3cret" not in str(raised.value)
