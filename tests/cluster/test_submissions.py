import os

import pytest

from preimage.cluster import submissions
from preimage.cluster.submissions import Submission
from preimage.errors import SpecError
from preimage.storage.folder import Folder
from preimage.storage.host_info import host
from submitted import record, say


def submitted(results, name, created="2026-01-02T03:04:05+00:00"):
    return record(submissions.create(results, name), name=name, created=created)


def test_a_submission_is_found_by_its_id_and_the_newest_by_its_name(folder):
    first = submitted(folder, "demo", "2026-01-01T00:00:00+00:00")
    third = submitted(folder, "demo", "2026-01-03T00:00:00+00:00")
    second = submitted(folder, "demo", "2026-01-02T00:00:00+00:00")
    assert submissions.list_all(folder) == [first, second, third]
    assert submissions.find(folder, "demo") == third
    assert submissions.find(folder, second.id) == second


def test_a_name_that_is_not_there_is_met_with_the_nearest(folder):
    made = submitted(folder, "demo")
    with pytest.raises(SpecError, match=f"did you mean {made.id}"):
        submissions.find(folder, made.id[:-1] + "x")
    with pytest.raises(SpecError, match="PREIMAGE_RESULTS"):
        submissions.find(folder, "qqqq")


def test_a_folder_without_a_record_is_no_submission(folder):
    """The record is written last, before the cluster is told."""
    submissions.create(folder, "demo").folder.write("spec.yaml", b"job: train-gan")
    assert submissions.list_all(folder) == []


@pytest.mark.parametrize("name", ["GLO, digits/32", "../../etc", "-", "ünï"])
def test_an_id_is_a_plain_name_whatever_the_spec_is_called(folder, name):
    made = submissions.create(folder, name)
    assert made.folder.parent == folder / "submissions"
    assert set(made.id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_output_is_put_together_in_order(folder):
    made = Submission(folder / "it")
    for name, text in [("0002-000000", "c"), ("0001-000001", "b"), ("0001-000000", "a")]:
        made.logs.write(f"{name}.txt", text.encode())
    assert made.output() == "abc"


def test_of_output_that_grows_only_what_is_new_is_read(folder, monkeypatch):
    """Files are joined as bytes: one may end within a letter."""
    made, read = Submission(folder / "it"), []
    whole = "größer"
    for name, text in [("0001-000000", whole.encode()[:3]), ("0001-000001", whole.encode()[3:])]:
        made.logs.write(f"{name}.txt", text)
    found, place = made.printed(submissions.BEGINNING)
    assert found.decode() == whole == made.output()
    monkeypatch.setattr(
        Folder, "read", lambda self, name, kept=Folder.read: read.append(name) or kept(self, name)
    )
    assert made.printed(place) == (b"", place)
    made.logs.write("0001-000001.txt", whole.encode()[3:] + b" and")
    made.logs.write("0002-000000.txt", b" more")
    assert made.printed(place)[0] == b" and more"
    assert read == ["0001-000001.txt", "0001-000001.txt", "0002-000000.txt"]


def test_what_a_job_waits_for_is_said_until_it_works_again(folder):
    """The heartbeat, which knows nothing of it, repeats it; the end of the job does not."""
    made, beat = Submission(folder / "it"), {"attempt": 1, "state": "running", "ray_job": None}
    beat |= {"host": host(), "pid": os.getpid()}
    made.waits("4 CPUs")
    assert not made.folder.exists(), "its job has not begun"
    made.update(beat)
    assert made.state()["waits_for"] == "4 CPUs"
    Submission(made.folder).waits("2 CPUs")
    made.update(beat)
    assert made.state()["waits_for"] == "2 CPUs"
    made.waits("")
    made.works_on("/runs/a")
    assert "waits_for" not in made.state()
    assert made.state()["working_on"] == "/runs/a"
    made.update(beat | {"state": "finished"})
    made.waits("for nothing")
    assert made.state()["state"] == "finished", "an end is never taken back"


def test_only_the_jobs_main_process_writes_its_state(folder):
    made = Submission(folder / "it")
    say(made, "running")
    before = made.folder.read("state.json")
    made.waits("4 CPUs")  # a worker's
    assert made.folder.read("state.json") == before
