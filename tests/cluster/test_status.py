"""The status of a submission: from what its job recorded last and from what a cluster says of it."""

import re
from types import SimpleNamespace

import pytest

from preimage.cluster import ray_jobs
from preimage.cluster import status as room
from preimage.cluster.ray_jobs import Details, address_of
from preimage.cluster.status import Clusters, JobStatus
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError
from submitted import record, say


class Cluster:
    """Stands in for `Jobs`: a cluster that says one thing of every job."""

    says: str | None = None
    asked: list[str] = []  # noqa: RUF012

    def __init__(self, address):
        self.asked.append(address)
        self.address = address
        if self.says == "nothing":
            raise PreimageError(f"no cluster answers at {address}")

    def details(self, job):
        words = "Job failed, its last words:\nerror: no room\n"
        words = "It may be waiting for resources." if self.says == "PENDING" else words
        return self.says and Details(self.says, words, 137 if self.says == "FAILED" else None)


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
    assert found.waits_for == ("It may be waiting for resources." if ray == "PENDING" else "")


def test_a_job_that_says_what_it_waits_for_waits(submission, monkeypatch):
    monkeypatch.setattr(room, "Jobs", Cluster)
    monkeypatch.setattr(Cluster, "says", "RUNNING")
    say(submission, "running", waits_for="4 CPUs, behind demo-0")
    found = Clusters().status(submission)
    assert (found.state, found.waits_for, found.has_ended) == ("waiting", "4 CPUs, behind demo-0", False)


@pytest.mark.parametrize(
    ("ray", "state", "code"), [("FAILED", "died", 137), ("STOPPED", "stopped", 130), (None, "lost", 1)]
)
def test_what_a_cluster_said_of_a_dead_job_is_known_when_the_cluster_is_gone(
    submission, monkeypatch, ray, state, code
):
    monkeypatch.setattr(room, "Jobs", Cluster)
    say(submission, "running")
    monkeypatch.setattr(Cluster, "says", "nothing")
    assert Clusters().status(submission).state == "unknown"
    assert not submission.folder.exists("diagnosis.json"), "a cluster that is away says nothing"
    monkeypatch.setattr(Cluster, "says", ray)
    there = Clusters().status(submission)
    monkeypatch.setattr(Cluster, "says", "nothing")
    assert Clusters().status(submission) == there
    assert (there.state, there.shell_code) == (state, code)

    monkeypatch.setattr(Cluster, "says", "RUNNING")
    expected = "running" if ray is None else state  # who did not know it may be another cluster
    assert Clusters().status(submission).state == expected
    submission.update(submission.state() | {"attempt": 2})
    assert Clusters().status(submission).state == "running", "a new attempt is none of its business"


def test_a_job_that_ends_while_it_is_asked_for_has_not_died(submission, monkeypatch):
    class Ends(Cluster):
        def details(self, job):
            say(submission, "finished", exit_code=0)
            return Details("SUCCEEDED", "", 0)

    monkeypatch.setattr(room, "Jobs", Ends)
    say(submission, "running")
    assert Clusters().status(submission).state == "finished"
    assert not submission.folder.exists("diagnosis.json")


def test_a_diagnosis_that_was_torn_is_made_again(submission, monkeypatch):
    monkeypatch.setattr(room, "Jobs", Cluster)
    monkeypatch.setattr(Cluster, "says", "FAILED")
    say(submission, "running")
    submission.folder.write("diagnosis.json", b'{"state": "di')
    assert Clusters().status(submission).state == "died"
    assert submission.folder.read_json("diagnosis.json")["exit_code"] == 137


@pytest.mark.parametrize(("code", "shell"), [(0, 0), (2, 2), (-9, 137), (None, 1)])
def test_who_follows_a_job_exits_as_the_job_did(code, shell):
    assert JobStatus("finished" if code == 0 else "failed", exit_code=code).shell_code == shell


def test_a_head_that_is_not_ready_is_asked_again_for_a_while(monkeypatch, caplog):
    answers = iter(["No available agent to submit job", "503 Server Error", "taken"])
    clock = SimpleNamespace(
        monotonic=lambda: clock.now, sleep=lambda wait: setattr(clock, "now", clock.now + wait)
    )
    clock.now = 0.0
    monkeypatch.setattr(ray_jobs, "time", clock)

    def submit():
        answer = next(answers)
        if answer != "taken":
            raise RuntimeError(f"Request failed with status code 500: {answer}")
        return answer

    assert ray_jobs._when_ready("http://head:8265", submit) == "taken"
    assert caplog.text.count("http://head:8265 is not ready yet; trying for up to 60 seconds") == 1

    def refuse(words):
        raise RuntimeError(words)

    with pytest.raises(RuntimeError, match="No available agent"):
        ray_jobs._when_ready("http://head:8265", lambda: refuse("No available agent to submit job"))
    assert 60 < clock.now < 70
    with pytest.raises(RuntimeError, match="400"):
        ray_jobs._when_ready("http://head:8265", lambda: refuse("status code 400: no"))
    assert clock.now < 70, "what another try would not change is said at once"


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
