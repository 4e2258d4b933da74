"""Submitting from Python, and what its handle knows; tests/cluster/test_submit.py has a real cluster."""

from types import SimpleNamespace

import pytest

import preimage
from preimage.cluster import ray_jobs
from preimage.cluster import status as cluster_status
from preimage.cluster.ray_jobs import Details
from preimage.cluster.submissions import list_all
from preimage.errors import PreimageError, SpecError
from preimage.library import submit as room
from preimage.storage.folder import Folder
from shell import SPEC
from submitted import say


class Cluster:
    """Stands in for `Jobs`: it runs nothing, and says that every job is running."""

    address = "http://head:8265"
    sent: list[str] = []  # noqa: RUF012
    stopped: list[str] = []  # noqa: RUF012
    refuses = False

    def __init__(self, address):
        assert address == self.address

    def submit(self, submission, entrypoint, environment):
        if self.refuses:
            raise PreimageError("no room")
        self.sent.append(entrypoint)

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
