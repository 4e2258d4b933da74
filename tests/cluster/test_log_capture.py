"""What a job's process leaves beside the results, by real processes."""

import os
import signal
import subprocess
import sys

import pytest

from faulty import wait_for
from preimage.cluster.submissions import Submission
from preimage.storage.folder import Folder
from preimage.storage.host_info import SUBMISSION
from submitted import record

SCRIPT = """
import os, sys, time
from preimage.cluster import log_capture
log_capture.EVERY, log_capture.BEAT, log_capture.PART = 0.05, 0.1, 50
with log_capture.capture_output():
    print("one", flush=True)
    os.system("echo two")
    print("three", file=sys.stderr, flush=True)
    {then}
"""


@pytest.fixture
def submission(folder):
    return record(Submission(folder / "submissions" / "demo-1"))


def start(submission, then):
    command = [sys.executable, "-c", SCRIPT.format(then=then)]
    environment = os.environ | {SUBMISSION: submission.folder.uri, "IN_THE_WAY": submission.logs.uri}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(
    ("then", "state", "code", "last"),
    [
        ("pass", "finished", 0, "three"),
        ("sys.exit(2)", "failed", 2, "three"),
        ("sys.exit(130)", "stopped", 130, "three"),
        ("1 / 0", "failed", 1, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_job_that_ends_says_how(submission, then, state, code, last):
    process = start(submission, then)
    printed = process.communicate()[0]
    assert process.returncode == code, printed
    assert submission.state()["state"] == state
    assert submission.state()["attempt"] == 1
    assert submission.state()["exit_code"] == code
    assert submission.state()["began"] <= submission.state()["time"]
    assert submission.output() == printed, "what went to the screen is what is kept"
    assert sorted(printed.split()[:3]) == ["one", "three", "two"]
    assert printed.strip().endswith(last)


def test_a_killed_job_leaves_what_it_printed_and_the_next_attempt_adds_to_it(submission):
    parts = "[(print(part * 60, flush=True), time.sleep(0.3)) for part in 'xyz']"
    process = start(submission, f"{parts}; time.sleep(60)")
    wait_for(lambda: "z" * 60 in submission.output())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert submission.state()["state"] == "running"
    before = submission.output()
    start(submission, "print('w' * 60)").communicate()
    assert submission.state()["attempt"] == 2
    assert submission.output().startswith(before)
    assert submission.output().count("w" * 60) == 1
    assert len(submission.logs.names()) >= 4, "parts of 50 bytes and more"


def test_a_job_shows_that_it_lives(submission):
    process = start(submission, "time.sleep(60)")
    wait_for(lambda: submission.state() != {})
    first = submission.folder.modified_ms("state.json")
    wait_for(lambda: submission.folder.modified_ms("state.json") > first)
    process.kill()
    process.wait()


def test_where_the_submission_cannot_be_seen_nothing_begins(tmp_path):
    process = start(Submission(Folder.at(tmp_path / "not" / "there")), "pass")
    printed = process.communicate()[0]
    assert process.returncode
    assert "cannot be seen on" in printed
    assert "two" not in printed.split()
    assert not (tmp_path / "not").exists()


def test_what_cannot_be_written_now_is_written_later(submission):
    """A full disk, say: the job goes on, and nothing of its output is lost. Here a file is in the way."""
    submission.folder.write("logs", b"")
    process = start(submission, "time.sleep(1); os.remove(os.environ['IN_THE_WAY']); time.sleep(1)")
    printed = process.communicate()[0]
    assert process.returncode == 0
    assert "record is behind" in printed
    assert sorted(submission.output().split()) == ["one", "three", "two"]
