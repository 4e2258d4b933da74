"""What stands at the top of a run's page."""

import json

import pytest

from fake_tracker import Fake
from preimage.errors import StoreError
from preimage.pipelines.lifecycle import live
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.host_info import SUBMISSION
from preimage.tracking.description import LONGEST, NOTE, description
from preimage.tracking.mirror import Mirror
from preimage.tracking.pages import run_page, version_page

ABOUT = {
    "job": "pag",
    "name": "a",
    "fingerprint": "f" * 64,
    "key": "k",
    "created": "now",
    "title": "pag digits",
    "what": "Measure it (spec a).",
    "made_by": "pag · seed 0",
}


@pytest.fixture
def run(folder):
    run = RunFolder(folder / "runs" / "pag-1")
    run.folder.write_json("run.json", ABOUT)
    run.folder.write("spec.yaml", b"job: pag\n")
    return run


def finished(run, **more):
    run.finish(Outcome("pag", "a", run.name, "f", {"pag": 3.73140, "n": 1797}, run.folder.uri, **more))
    return run.outcome()


def test_a_finished_run_begins_with_what_it_is_and_its_headline(run):
    outcome = finished(run, headline=["pag", "n"], figures={"table.md": "t", "spectrum": "s"})
    run.figures.write("table.md", b"| prior | pag |\n|---|---|\n| own | 3.7 |\n\nMade by: pag\n")
    text = description(run, ABOUT, "id", status="FINISHED", outcome=outcome)
    parts = text.split("\n\n")
    assert parts[:3] == [
        *("Measure it (spec a).", "pag **3.731** · n **1,797**"),
        "![](get-artifact?path=figures%2Fsmall%2Fspectrum.png&run_uuid=id)",
    ]
    assert "| own | 3.7 |" in text
    assert text.count("Made by") == 1
    assert f"`preimage run pag-1 --results {run.folder.parent.parent.uri}`" in text


@pytest.mark.parametrize(("status", "word"), [("RUNNING", "Running"), ("KILLED", "Stopped before its end")])
def test_a_run_without_an_outcome_says_its_state_and_how_to_resume_it(run, status, word):
    text = description(run, ABOUT, "id", status=status)
    assert text.startswith(f"Measure it (spec a). **{word}**.")
    assert "preimage run pag-1" in text


def test_a_long_table_is_cut_at_a_line_with_a_word(run):
    outcome = finished(run)
    rows = [f"| {number:04} | {'x' * 50} |" for number in range(400)]
    run.figures.write("table.md", "\n".join(["| a | b |", "|---|---|", *rows]).encode())
    text = description(run, ABOUT, "id", status="FINISHED", outcome=outcome)
    assert LONGEST - 200 < len(text) <= LONGEST
    shown = sum(line in rows for line in text.splitlines())
    assert f"*{400 - shown} more lines: Artifacts, figures/table.md.*" in text
    assert "preimage run pag-1" in text


def test_whatever_else_is_long_the_tracker_takes_it(run):
    about = ABOUT | {"steps": {f"step-{number}": "r" * 80 for number in range(200)}}
    text = description(run, about, "id", status="FAILED", why="w" * 5_000)
    assert len(text) <= 8_000


def test_the_mirror_tells_the_state_and_why_it_failed(run):
    tracker = Fake()
    mirror = Mirror(run, tracker)
    run_id = mirror.begin()
    assert tracker.names[run_id] == "pag digits"
    assert "**Running**" in tracker.tag_values[run_id][NOTE]
    mirror.end("FAILED", "no store")
    assert "**Failed**: no store" in tracker.tag_values[run_id][NOTE]
    Mirror(run, tracker).begin()
    assert "**Running**" in tracker.tag_values[run_id][NOTE]
    finished(run, headline=["pag"])
    Mirror(run, tracker).finish()
    assert tracker.tag_values[run_id][NOTE].startswith("Measure it (spec a).\n\npag **3.731**")


@pytest.mark.parametrize(
    ("error", "said"),
    [(StoreError("the store is gone"), "the store is gone"), (RuntimeError("p4ssw0rd"), "RuntimeError")],
)
def test_only_words_of_our_own_are_sent_when_a_run_fails(run, error, said):
    def fail(*_):
        raise error

    tracker = Fake()
    with pytest.raises(type(error)):
        live(Mirror(run, tracker), lambda: None, lambda: None, fail)
    assert tracker.status["run 0"] == "FAILED"
    assert f"**Failed**: {said}\n" in tracker.tag_values["run 0"][NOTE]
    assert "p4ssw0rd" not in str(tracker.tag_values)


def test_tags_are_few_and_none_is_cut(run):
    tracker = Fake()
    Mirror(run, tracker).begin()
    told = {key: each for key, each in tracker.tag_values["run 0"].items() if key != NOTE}
    assert told == {
        "preimage.job": "pag",
        "preimage.name": "a",
        "preimage.run": "pag-1",
        "preimage.fingerprint": "f" * 10,
    }
    made = json.loads(tracker.files["run 0", "", "provenance.json"])
    assert made["fingerprint"] == "f" * 64


def test_a_submission_is_part_of_the_description_and_a_ray_job_the_source(run, folder, monkeypatch):
    place = folder / "submissions" / "a-1"
    record = {
        "format": 1,
        "id": "a-1",
        "name": "a",
        "run": "r",
        "fingerprint": "f",
        "created": "now",
        "address": "http://head:8265",
        "user": "anna",
        "host": "h",
        "git_commit": "abc",
        "upload": {"sha256": "0"},
        "server": {},
    }
    place.write_json("submission.json", record)
    place.write("code.zip", b"")
    tracker = Fake()
    with monkeypatch.context() as patch:
        patch.setenv(SUBMISSION, place.uri)
        run_id = Mirror(run, tracker).begin()
    tags = tracker.tag_values[run_id]
    assert (tags["mlflow.source.type"], tags["preimage.submission"]) == ("JOB", "a-1")
    finished(run, headline=["pag"])
    Mirror(run, tracker).finish()  # by a process that was not submitted
    text = tags[NOTE]
    assert "pag **3.731**" in text
    assert "Submission **a-1** by anna: [its page in Ray](http://head:8265/#/jobs/a-1)" in text
    assert json.loads(tracker.files[run_id, "", "provenance.json"])["submission"]["id"] == "a-1"


def test_links_open_the_pages_for_training():
    page = run_page("https://host/mlflow/", "1", "abc")
    assert page == "https://host/mlflow/#/experiments/1/runs/abc?workflowType=machine_learning"
    assert version_page("", "my model", "3") == "#/models/my%20model/versions/3?workflowType=machine_learning"
