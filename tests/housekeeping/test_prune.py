"""`preimage runs prune`: what no run needs goes, and nothing else."""

import json
import os
import time

import pytest

import preimage
from kept_runs import add_run
from preimage.housekeeping import datasets
from preimage.housekeeping.prune import plan_prune, prune
from preimage.storage.folder import Folder
from preimage.storage.removal import mark
from shell import PIPELINE, Shell
from submissions_on_disk import add_submission

NOW = 0.0


def gone(root, *kinds, older_than=NOW):
    plan = plan_prune(root, kinds, older_than)
    prune(plan)
    return sorted(each.folder.path.removeprefix(f"{root.path}/") for each in plan.items)


def test_checkpoints_go_unless_another_run_resumes_from_them_or_may(folder):
    add_run(folder, "train-a", products=["generator", "checkpoints"])
    add_run(folder, "train-b", products=["generator", "checkpoints"])
    resumes = {"resume_from": "train-b/checkpoints"}
    add_run(folder, "train-c", inputs=resumes, products=["checkpoints"], finished=False)
    add_run(folder, "pipeline-a", job="pipeline", finished=False)
    add_run(folder, "train-d", products=["checkpoints"], part_of="pipeline-a")
    old = "steps: {again: {job: train-gan, resume_from: round-1}}\n"
    add_run(folder, "pipeline-b", job="pipeline", finished=False, spec=old.replace("again", "round-1"))
    add_run(folder, "train-e", products=["checkpoints"], title="round-1")
    kept = dict(plan_prune(folder, ["checkpoints"], NOW).kept)
    assert gone(folder, "checkpoints") == ["runs/train-a/checkpoints"]
    assert not (folder / "runs" / "train-a" / "checkpoints").exists()
    assert (folder / "runs" / "train-a" / "generator").exists("config.json")
    assert (folder / "runs" / "train-c" / "checkpoints").names()
    why = {address.split("/")[-2]: each for address, each in kept.items()}
    assert why["train-b"] == "train-c needs them (its resume_from)"
    assert "pipeline-a is not finished" in why["train-d"]
    assert "pipeline-b is not finished" in why["train-e"]


def test_what_was_written_lately_stays(folder):
    add_run(folder, "train-a", products=["checkpoints"])
    assert gone(folder, "checkpoints", older_than=3600) == []


def dataset(root, name, count=1, **config):
    config = {"source": "digits", "size": 16, "max_images": count, "path": None} | config
    about = {"fingerprint": f"print-{name}", "config": config}
    (root / "datasets" / name).write_json(datasets.MANIFEST, about)
    (root / "datasets" / name).write("00000.parquet", b"0" * 500)


def test_datasets_that_a_run_names_or_that_cannot_be_made_again_stay(folder, tmp_path):
    for count, name in enumerate(("used", "beside", "by-spec", "imported", "pending", "unused"), 1):
        dataset(folder, name, count)
    dataset(folder, "lost", source="folder", path=str(tmp_path / "nowhere"))
    at = (folder / "datasets").uri
    used = {"source": "digits", "address": f"{at}/used"}
    add_run(folder, "train-a", dataset=used, images={"data": f"{at}/beside"})
    add_run(folder, "old-a", spec="datasets: {a: {source: digits, max_images: 3}}\n")
    origin = {"about": {"dataset_fingerprint": "print-imported"}}
    (folder / "stores" / "mine").write_json("_plan.json", origin)
    add_submission(folder, "waits", "running", spec="data: {source: digits, max_images: 5}\n")
    alias = {"dataset": "unused", "key": "", "identity": ""}
    (folder / "datasets" / "alias").write_json(datasets.ALIAS, alias)
    found = plan_prune(folder, ["datasets"], NOW)
    kept = {address.split("/")[-1]: why for address, why in found.kept}
    assert gone(folder, "datasets") == ["datasets/alias", "datasets/unused"]
    assert (folder / "datasets").names() == sorted(kept)
    assert kept["used"] == kept["beside"] == "the run train-a uses it"
    assert kept["by-spec"] == "the run old-a uses it"
    assert kept["pending"] == "the submission waits uses it"
    assert kept["imported"] == "mine was made from it"
    assert "could not be prepared again" in kept["lost"]


def test_submissions_that_ended_go_if_a_later_one_replaced_them_or_they_are_old(folder):
    today = "2026-11-01T00:00:00+00:00"
    add_submission(folder, "first", "failed", created="2026-10-01T00:00:00+00:00")
    add_submission(folder, "second", "finished", created=today)
    add_submission(folder, "runs", "running", plan="b", created="2026-10-01T00:00:00+00:00")
    add_submission(folder, "runs-too", "running", plan="b", created=today)
    add_submission(folder, "ancient", "stopped", plan="c", created="2001-01-01T00:00:00+00:00")
    found = gone(folder, "submissions")
    assert "submissions/first" in found
    assert "submissions/ancient" in found
    assert not {"submissions/runs", "submissions/runs-too"} & set(found)


def test_what_killed_processes_left(folder):
    run = add_run(folder, "train-a")
    add_run(folder, "train-b", finished=False)
    for name in ("train-a", "train-b"):
        (folder / "runs" / name / "ray").write("state", b"")
    old, fresh = (run.folder.local / f".{name}.tmp" for name in ("old", "fresh"))
    for each in (old, fresh):
        each.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert gone(folder, "ray", "temporary") == ["runs/train-a", "runs/train-a/ray"]
    assert (old.exists(), fresh.exists()) == (False, True), "another process may be writing it"
    assert (folder / "runs" / "train-b" / "ray").exists()


def test_removals_that_were_interrupted_are_finished(folder):
    dataset(folder, "half")
    mark(folder / "datasets" / "half")
    (folder / "datasets" / "half").remove(datasets.MANIFEST)
    run = add_run(folder, "train-a", products=["checkpoints"])
    mark(run.product("checkpoints"))
    assert gone(folder, older_than=1e9) == ["datasets/half", "runs/train-a/checkpoints"]
    assert (folder / "datasets").names() == []


def test_a_pruned_pipeline_is_finished_extended_and_repeated(tmp_path, monkeypatch, capsys):
    """With real jobs: after all is pruned, plans find it finished; a removed step is done again."""
    results = str(tmp_path / "results")
    spec = tmp_path / "spec.yaml"
    spec.write_text(PIPELINE.replace("total_images: 480", "total_images: 120"))
    outcome = preimage.run(str(spec), results=results)
    shell = Shell(monkeypatch, capsys)
    said = shell("runs", "prune", "--older-than", "0", "--yes", "--json", "--results", results)
    assert [each["kind"] for each in json.loads(said.out)["removed"]] == ["checkpoints"]
    assert preimage.plan(str(spec), results=results).is_done
    more = preimage.run(str(spec), "prior.seed=3", results=results)
    steps = {name: each["run"] for name, each in (outcome.steps or {}).items()}
    refused = shell("runs", "rm", steps["codes"], "--yes", "--results", results)
    assert refused.code == 2
    assert f"needed by {steps['prior']}" in refused.err
    assert shell("runs", "rm", outcome.run, more.run, "--yes", "--results", results).code == 0
    assert Folder.at(f"{results}/runs").names() == []
    again = preimage.run(str(spec), results=results)
    assert again.metrics["prior.pag"] == outcome.metrics["prior.pag"]
    assert again.seconds is not None
    found = json.loads(shell("runs", "--all", "--json", "--results", results).out)["runs"]
    assert [each["state"] for each in found] == ["finished"] * 4


@pytest.mark.parametrize("verb", [["prune"], ["rm", "train-a"]])
def test_nothing_goes_without_being_asked_for(folder, verb, monkeypatch, capsys):
    add_run(folder, "train-a", products=["checkpoints"])
    before = [each.name for each in folder.everything()]
    more = ["--older-than", "0"] if verb == ["prune"] else []
    said = Shell(monkeypatch, capsys)("runs", *verb, *more, "--results", folder.path)
    assert (said.code, "nothing was removed" in said.err) == (2, True)
    assert [each.name for each in folder.everything()] == before
