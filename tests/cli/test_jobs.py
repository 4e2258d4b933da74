"""`jobs`, `status`, `logs` and `stop` of records that lie there; test_submit.py has a real cluster."""

import json
import re

import pytest

from preimage.cluster import status as cluster_status
from preimage.cluster.ray_jobs import Details
from preimage.cluster.submissions import Submission
from preimage.runs.run_folder import RunFolder
from shell import Shell
from submitted import record, say

BEGAN = "2026-01-02T03:04:05+00:00"


class Cluster:
    """Stands in for `Jobs`: it runs everything."""

    def __init__(self, address): ...

    def details(self, job):
        return Details("RUNNING", "", None)


@pytest.fixture
def shell(monkeypatch, capsys, folder):
    monkeypatch.setattr(cluster_status, "Jobs", Cluster)
    monkeypatch.setenv("PREIMAGE_RESULTS", folder.uri)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def submission(folder):
    """One that works on a step of its pipeline."""
    made = record(
        Submission(folder / "submissions" / "demo-20260102-030405-abcd"), needs={"CPU": 4.0, "GPU": 1}
    )
    run = RunFolder(folder / "runs" / "train-1")
    run.show_progress(1_500, 6_000, 250.0, 1)
    say(made, "running", began=BEGAN, working_on=run.folder.uri)
    made.logs.write("0001-000000.txt", b"one\ntwo\ntraining: 1,500 of 6,000\n")
    return made


def test_a_list_without_any_is_a_document_too(shell, folder):
    said = shell("jobs", "--json")
    assert json.loads(said.out) == {"root": folder.uri, "submissions": []}


def test_for_programs_everything_is_one_document(shell, submission):
    (listed,) = json.loads(shell("jobs", "--json").out)["submissions"]
    assert listed == json.loads(shell("status", "demo", "--json").out)
    assert (listed["id"], listed["state"]) == (submission.id, "running")
    assert listed["needs"] == {"CPU": 4.0, "GPU": 1}
    assert listed["progress"] == {
        "run": submission.state()["working_on"], "done": 1_500, "total": 6_000, "rate": 250.0
    }  # fmt: skip
    assert listed["seconds"] > 0
    assert listed["last_line"] == "training: 1,500 of 6,000"


def test_a_user_sees_how_far_it_is_and_what_it_holds(shell, submission, monkeypatch):
    said = shell("status", "demo").out
    assert re.search(r"progress +1,500 of 6,000 images \(25%\), 250 a second, train-1", said)
    assert re.search(r"needs +4 CPU, 1 GPU", said)
    assert re.search(rf"so far +[\d,]+ hours, since {re.escape(BEGAN)}", said)
    say(submission, "running", began=BEGAN, waits_for="4 CPUs, behind demo-0")
    assert re.search(r"waiting +2026.*for 4 CPUs, behind demo-0", shell("jobs").out)
    assert re.search(r"waits for +4 CPUs, behind demo-0", shell("status", "demo").out)
    say(submission, "finished", began=BEGAN, time=BEGAN, exit_code=0)
    assert "train-gan-0000000000" in shell("jobs").out


@pytest.mark.parametrize("width", [None, "40", "80", "200"])
def test_what_one_copies_is_whole_at_every_width(shell, submission, monkeypatch, width):
    """Also where a terminal is too narrow for it, which then breaks the line itself."""
    if width:
        monkeypatch.setenv("FORCE_COLOR", "1")  # which makes it a terminal
        monkeypatch.setenv("COLUMNS", width)
    listed, shown = (
        re.sub(r"\x1b\[[0-9;]*m", "", shell(*verb).out) for verb in (("jobs",), ("status", "demo"))
    )
    assert submission.id in listed.split()
    assert "training: 1,500 of 6,000" in " ".join(listed.split())
    for each in (submission.id, f"{submission.logs.uri}:", f"http://head:8265/#/jobs/{submission.id}"):
        assert each in shown.split() or f"{each}," in shown.split()
    say(submission, "failed", began=BEGAN, exit_code=2)
    assert submission.command("submit") in shell("status", "demo").out
    if width is None:
        assert len(listed.splitlines()) == 2, "a line of each, for grep"


def test_a_record_of_an_earlier_version_is_shown_as_far_as_it_goes(shell, submission):
    say(submission, "finished")
    assert re.search(r"finished +2026-01-02 03:04 +4 CPU", shell("jobs").out)
    (listed,) = json.loads(shell("jobs", "--json").out)["submissions"]
    assert (listed["seconds"], listed["began"], listed["exit_code"]) == (None, None, None)


@pytest.mark.parametrize(
    ("tail", "expected"), [((), "one\ntwo\ntr"), (("--tail", 1), "tr"), (("-n", "0"), "")]
)
def test_the_last_lines_alone_are_printed_if_asked_for(shell, submission, tail, expected):
    assert shell("logs", "demo", *tail).out.startswith(expected)
    say(submission, "failed", exit_code=2)
    said = shell("logs", "demo", "-f", *tail)
    assert said.out == shell("logs", "demo", *tail).out
    assert said.out.count("two") == (not tail)
    assert said.code == 2, "the job's own"
    assert "demo-20260102-030405-abcd: failed" in said.err


def test_of_several_that_are_to_stop_those_that_cannot_are_named(shell, submission):
    say(submission, "finished")
    said = shell("stop", "nope", "demo")
    assert said.code == 2
    assert "error: nope is not stopped: no submission 'nope'" in said.err
    assert f"{submission.id} has already ended: finished" in said.out
    assert shell("stop", "demo").code == 0
