"""All submissions together: which one a name means, which took another's place, and stopping several."""

import pytest

from preimage.cluster import status as room
from preimage.cluster.ledger import Ledger
from preimage.cluster.ray_jobs import Details
from preimage.cluster.status import Clusters
from preimage.cluster.submissions import Submission
from preimage.errors import PreimageError, SpecError
from submitted import record, say


class Cluster:
    """Stands in for `Jobs`: it runs some jobs, knows no other, and stops all but one."""

    runs: set[str] = set()  # noqa: RUF012
    stuck = ""

    def __init__(self, address): ...

    def details(self, job):
        return Details("RUNNING", "", None) if job in self.runs else None

    def status(self, job):
        return "RUNNING" if job in self.runs else None

    def stop(self, job):
        if job == self.stuck:
            raise PreimageError("the head says no")
        self.runs.discard(job)


@pytest.fixture
def ledger(folder, monkeypatch):
    """Four submissions of one spec, of which the second and the third run."""
    monkeypatch.setattr(room, "Jobs", Cluster)
    monkeypatch.setattr(Cluster, "runs", {"demo-2", "demo-3"})
    for number, state in enumerate(("finished", "running", "running", "running"), 1):
        made = Submission(folder / "submissions" / f"demo-{number}")
        known = {"created": f"2026-01-0{number}T03:04:05+00:00", "fingerprint": str(number)}
        say(record(made, **known), state)
    return Ledger(folder, Clusters())


def test_a_name_means_the_newest_that_runs(ledger, monkeypatch):
    assert ledger.one("demo").id == "demo-3", "the newest was lost"
    assert ledger.one("demo-1").id == "demo-1"
    monkeypatch.setattr(Cluster, "runs", set())
    assert Ledger(ledger.results, Clusters()).one("demo").id == "demo-4", "or else the newest"
    with pytest.raises(SpecError, match="did you mean demo"):
        ledger.one("dem")


def test_a_job_that_computes_is_meant_before_a_newer_one_that_waits(ledger):
    waiting = Submission(ledger.results / "submissions" / "demo-3")
    say(waiting, "running", waits_for="2 CPUs")
    assert ledger.one("demo").id == "demo-2"
    Cluster.runs.discard("demo-2")
    assert Ledger(ledger.results, Clusters()).one("demo").id == "demo-3", "or else one that waits"


def test_what_is_stopped_by_name_is_one(ledger):
    with pytest.raises(SpecError, match="'demo' names 2 submissions that have not ended: name demo-2, d"):
        ledger.one_to_stop("demo")
    Cluster.runs.discard("demo-2")
    assert ledger.one_to_stop("demo").id == "demo-3"


def test_of_several_each_is_stopped_whatever_becomes_of_the_others(ledger, monkeypatch):
    monkeypatch.setattr(Cluster, "stuck", "demo-2")
    ended = ledger.stop(["demo-1", "nope", "demo-2", "demo-3", "demo-3"])
    assert [each.name for each in ended] == ["demo-1", "nope", "demo-2", "demo-3"]
    assert ended[0].before.state == "finished"
    assert "no submission 'nope'" in str(ended[1].problem)
    assert str(ended[2].problem) == "the head says no"
    assert not ended[0].problem
    assert not ended[3].problem
    assert Cluster.runs == {"demo-2"}


def test_a_plan_that_was_submitted_again_supersedes_what_had_not_finished(ledger):
    finished, runs, _, lost = ledger.all
    for each in (finished, runs, lost):
        each.makes("/runs/a", "a")
    later = record(Submission(ledger.results / "submissions" / "demo-9"), created="2026-02-01T00:00:00+00:00")
    later.makes("/runs/a", "a")
    again = Ledger(ledger.results, Clusters())
    assert again.status(finished).state == "finished"
    assert again.status(runs).state == "running"
    found = again.status(lost)
    assert (found.state, found.has_ended, found.shell_code) == ("superseded", True, 1)
    assert found.why.startswith("by demo-9; it was lost: its cluster was restarted")
    assert again.status(later).state == "lost", "the newest of a plan is not"
