"""Room on a real cluster of two cores: in order, visibly, and free again however its holder ends."""

import logging
import os
import subprocess
import sys

import pytest

from faulty import meanwhile, wait_for
from nodes import nodes
from preimage.cluster import room, submissions
from preimage.cluster.board import RayBoard
from preimage.cluster.queue import Queue
from preimage.cluster.room import hold_room
from preimage.config import Resources
from preimage.storage.folder import Folder
from preimage.storage.host_info import SUBMISSION, host
from studies import JOB, text_of
from submitted import record, say

HOLD = """
import sys
from preimage.cluster.connect import connect
from preimage.cluster.room import hold_room
from preimage.config import Resources

connect()
with hold_room([Resources(workers=2, gpu=False)], 1, sys.argv[1]):
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.mark.faults
def test_runs_that_do_not_fit_wait_in_order_and_a_killed_one_frees_its_room(monkeypatch, tmp_path, caplog):
    """Three drivers of a cluster of two cores: two others, and this process, which is a submission."""
    mine = record(submissions.create(Folder.at(tmp_path), "mine"))
    say(mine, "running", host=host(), pid=os.getpid())
    monkeypatch.setattr(room, "EVERY", 0.2)
    with nodes(monkeypatch, [2]):
        queue = Queue(RayBoard())
        first = begin("first")
        assert first.stdout.readline() == "begun\n"
        second = begin("second")
        wait_for(lambda: len(queue.tickets()) == 2)
        monkeypatch.setenv(SUBMISSION, mine.folder.uri)
        said = []

        def end_the_others() -> bool:
            if len(queue.tickets()) == 3 and not said and (waits_for := mine.state().get("waits_for")):
                said.append(waits_for)
                first.kill()
            if said and [each.who for each in queue.tickets() if each.has_begun] == ["second"]:
                second.stdin.close()
                return True
            return False

        with (
            caplog.at_level(logging.WARNING),
            meanwhile(end_the_others) as ended,
            hold_room([Resources(workers=1, gpu=False)], 1, "mine"),
        ):
            assert [each.who for each in queue.tickets() if each.has_begun] == [mine.id]
            assert "waits_for" not in mine.state()
        assert ended
        assert queue.tickets() == []
        assert second.wait() == 0
    assert said[0].startswith("1 CPU: 0 of 2 CPUs are free; first holds 2 CPUs since ")
    assert said[0].endswith("second in line")
    assert f"waits for {said[0]}" in caplog.text


def begin(name: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.faults
@pytest.mark.long
def test_a_study_that_wants_every_core_and_a_job_that_shares_its_training_both_end(monkeypatch, tmp_path):
    """Submitted together, on two cores that either would fill; the job needs both for its training."""
    training = JOB | {"resources": {"gpu": False}}
    pipeline = {"steps": {"train": training | {"resources": {"workers": 2, "gpu": False}}}}
    study = {
        "trial": {"steps": {"train": training}},
        "space": {"train.model.kernel_size": {"choice": [3, 4]}},
        "objectives": {"train.generator_loss": "minimize"},
        "sampler": {"name": "grid"},
        "parallel": 2,
    }
    with nodes(monkeypatch, [2]):
        drivers = []
        for name, spec in (("study", study), ("pipeline", pipeline)):
            file = tmp_path / f"{name}.yaml"
            file.write_text(text_of(spec, tmp_path / "results"))
            drivers.append(run_spec(file))
        said = [driver.communicate(timeout=600)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    assert sum("waits for" in each and "in line" in each for each in said) == 1, "one came first"
    trained = list((tmp_path / "results" / "runs").glob("train-gan-*"))
    assert len(trained) == 2, "what they share was made once"


def run_spec(file) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "preimage", "run", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
