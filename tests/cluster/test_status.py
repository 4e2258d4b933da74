"""The status of a submission: from what its job recorded last and from what a cluster says of it."""

import re

import pytest

from preimage.cluster import status as room
from preimage.cluster.ray_jobs import Details, address_of
from preimage.cluster.status import Clusters
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError
from submitted import record, say


class Cluster:
    """Stands in for `Jobs`: a cluster that says one thing of every job."""

    says: str | None = None
    asked: list[str] = []  # noqa: RUF012

    def __init__(self, address):
        self.asked.append(address)
        if self.says == "nothing":
            raise PreimageError(f"no cluster answers at {address}")

    def details(self, job):
        words = "Job failed, its last words:\nerror: no room\n"
        return self.says and Details(self.says, words, None)


@pytest.fixture
def submission(folder):
    return record(Submission(folder / "submissions" / "demo-1"))


@pytest.mark.parametrize(
    ("job", "ray", "expected", "why"),
    [
        (None, "PENDING", "pending", ""),
        (None, "RUNNING", "pending", ""),
        ("running", "RUNNING", "running", ""),
        ("finished", "nothing", "finished", ""),
        ("failed", None, "failed", ""),
        ("running", "nothing", "unknown", r"no cluster answers at http://head:8265; last seen at 2\d{3}"),
        ("running", None, "lost", "does not know it; last seen at"),
        ("running", "STOPPED", "stopped", ""),
        ("running", "FAILED", "died", "error: no room; last seen"),
        (None, "FAILED", "died", "^error: no room$"),
        (None, "SUCCEEDED", "died", ""),
    ],
)
def test_of_what_the_job_and_its_cluster_say(submission, monkeypatch, job, ray, expected, why):
    monkeypatch.setattr(room, "Jobs", Cluster)
    monkeypatch.setattr(Cluster, "says", ray)
    if job:
        say(submission, job)
    found = Clusters().status(submission)
    assert found.state == expected
    assert found.has_ended == (expected not in ("pending", "running", "unknown"))
    assert re.search(why, found.why)


def test_one_that_was_asked_to_stop_was_stopped_whatever_became_of_its_cluster(submission, monkeypatch):
    monkeypatch.setattr(room, "Jobs", Cluster)
    monkeypatch.setattr(Cluster, "says", None)
    say(submission, "running")
    submission.ask_to_stop()
    assert Clusters().status(submission).state == "stopped"


def test_a_cluster_is_looked_for_once_and_elsewhere_where_that_is_said(submission, monkeypatch):
    monkeypatch.setattr(room, "Jobs", Cluster)
    monkeypatch.setattr(Cluster, "says", "nothing")
    monkeypatch.setattr(Cluster, "asked", [])
    clusters = Clusters("http://127.0.0.1:9999")
    assert [clusters.status(submission).state for _ in range(3)] == ["unknown"] * 3
    assert Cluster.asked == ["http://127.0.0.1:9999"]


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8265", "ray://head:10001", "http://", "auto", "http://[", "http://head:999999"]
)
def test_an_address_is_that_of_a_dashboard(address):
    with pytest.raises(PreimageError, match="is not the address of a cluster's dashboard"):
        address_of(address)


def test_an_address_holds_no_password():
    with pytest.raises(PreimageError, match="no user and password") as raised:
        address_of("http://me:secret@head:8265")
    assert "secret" not in str(raised.value)


def test_the_address_that_is_asked_for_comes_before_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://environment:8265/")
    assert address_of("http://asked:8265") == "http://asked:8265"
    assert address_of(None) == "http://environment:8265"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # a driver's, which is no dashboard's
    assert address_of(None) == "http://127.0.0.1:8265"
