"""`preimage runs`: what is there."""

import json

import pytest

import preimage
from kept_runs import add_run
from preimage.errors import DataError
from preimage.housekeeping.listing import age, list_runs
from preimage.runs.attempts import attempt
from preimage.storage.claims import claimed
from preimage.storage.removal import clear, mark
from shell import Shell


@pytest.fixture
def root(folder):
    """A pipeline of two steps, a study of two trials of which one is the pipeline's step, and a loner."""
    add_run(folder, "train-a", created="2026-01-01T00:00:01+00:00", products=["generator"])
    add_run(folder, "invert-a", job="invert", inputs={"generator": "train-a/generator"}, title="invert")
    add_run(folder, "pipeline-a", job="pipeline", title="demo", steps=["train-a", "invert-a"])
    add_run(folder, "train-b", created="2026-01-03T00:00:00+00:00")
    add_run(folder, "study-a", job="study", title="tune", trials=["train-a", "train-b"])
    add_run(folder, "pca-a", job="pca", finished=False, created="2026-02-01T00:00:00+00:00")
    return folder


def test_a_pipeline_and_a_study_count_their_runs(root):
    found = list_runs(root)
    assert [each.name for each in found] == ["pipeline-a", "study-a", "pca-a"], "the newest last"
    assert found[0].parts == ("train-a", "invert-a")
    assert found[1].parts == ("train-a", "train-b")
    assert found[0].headline == {"fid": 12.3456}
    whole = list_runs(root, every=True)
    assert [each.name for each in whole] == [
        *("pipeline-a", "train-a", "invert-a"),
        *("study-a", "train-b"),
        "pca-a",
    ], "each after the first that it is part of"
    assert whole[1].parents == ("pipeline-a", "study-a")


def outcome_of(root, name, **changed):
    run = add_run(root, name)
    kept = json.loads(run.folder.read("outcome.json"))
    run.folder.write("outcome.json", json.dumps(kept | changed).encode())
    return next(each.headline for each in list_runs(root, every=True) if each.name == name)


def test_what_came_out_of_a_study_has_its_value(folder):
    metrics = {"best_trial": 3, "best": {"generator_loss": 1.5}}
    known = outcome_of(folder, "study-x", metrics=metrics, headline=["best_trial", "best.generator_loss"])
    assert known == {"best_trial": 3, "best.generator_loss": 1.5}


def test_a_run_of_an_earlier_version_which_names_no_headline_shows_its_first_numbers(folder):
    assert outcome_of(folder, "pag-x", metrics={"text": "no", "pag": 3.0}, headline=[]) == {"pag": 3.0}


def test_a_run_that_is_not_finished_says_what_it_is_part_of(root):
    add_run(root, "pipeline-b", job="pipeline", finished=False, created="2026-03-01T00:00:00+00:00")
    add_run(root, "train-c", finished=False, part_of="pipeline-b", created="2026-03-01T00:00:01+00:00")
    assert list_runs(root)[-1].parts == ("train-c",)


def test_states(root):
    run = add_run(root, "train-d", finished=False)
    run.show_progress(30, 120, 1.0, 1)
    state = {each.name: each for each in list_runs(root, every=True)}
    assert (state["train-d"].state, state["train-d"].progress) == ("interrupted", 0.25)
    with claimed(run.folder):
        assert list_runs(root, states=["running"])[0].name == "train-d"
    with pytest.raises(DataError, match="no"), attempt(run, None, iter([1.0, 5.0]).__next__):
        raise DataError("no such luck\nand more")
    found = list_runs(root, states=["failed"])
    assert [(each.name, each.why, each.seconds) for each in found] == [("train-d", "no such luck", 4.0)]
    mark(run.folder)
    run.folder.write("store/data", b"")
    run.folder.remove("run.json")
    assert list_runs(root, states=["half removed"])[0].name == "train-d"
    clear(run.folder)
    assert "train-d" not in [each.name for each in list_runs(root, every=True)]


def test_a_run_of_another_format_is_listed_and_named(root):
    (root / "runs" / "train-e").write_json("run.json", {"format": 99})
    found = list_runs(root, states=["unreadable"])
    assert [each.name for each in found] == ["train-e"]
    assert "format 99" in found[0].why


def test_filters_and_sizes(root):
    trained = list_runs(root, every=True, jobs=["train-gan"])
    assert [each.name for each in trained] == ["train-a", "train-b"]
    assert [each.name for each in list_runs(root, limit=1)] == ["pca-a"]
    sized = list_runs(root, every=True, jobs=["train-gan"])[0]
    assert sized.bytes is not None
    assert sized.bytes > 1000
    assert list_runs(root, sizes=False)[0].bytes is None
    folded = list_runs(root)[0]
    assert folded.bytes is not None
    assert folded.bytes > sized.bytes, "with its parts"


def test_runs_are_listed_from_python(root):
    assert [each.name for each in preimage.list_runs(root.path, limit=2)] == ["study-a", "pca-a"]


def test_ages():
    assert age("1970-01-01T00:01:00+00:00", now=90.0) == 30.0


def test_runs_on_object_storage_are_listed_without_sizes(s3):
    add_run(s3, "train-a", products=["generator"])
    with claimed(add_run(s3, "train-b", finished=False).folder):
        found = {each.name: each for each in list_runs(s3)}
    assert (found["train-a"].state, found["train-a"].bytes) == ("finished", None)
    assert found["train-b"].state == "running"
    assert list_runs(s3, sizes=True, states=["finished"])[0].bytes > 1000  # pyright: ignore


def test_in_a_shell(root, monkeypatch, capsys):
    shell = Shell(monkeypatch, capsys)
    said = shell("runs", "--results", root.path)
    assert "pipeline (2 steps)" in said.out
    assert "fid 12.35" in said.out
    assert "train-b" not in said.out
    assert "    " not in shell("runs", "--results", root.path, "--all", "--json").out
    found = json.loads(shell("runs", "--all", "--json", "--results", root.path).out)
    assert [each["name"] for each in found["runs"]][-1] == "pca-a"
    assert found["runs"][0]["created"] == "2026-01-02T03:04:05+00:00"
    assert "no such runs" in shell("runs", "--job", "pag", "--results", root.path).out
    assert "  train-b" in shell("runs", "--all", "--results", root.path).out
