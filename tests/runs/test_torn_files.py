"""A run whose bookkeeping was torn, as by a power cut, is made again by the same command."""

import pytest

from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from shell import SPEC, Shell

BOOKKEEPING = ("mirror.json", "run.json", "progress.json", "device.json", "outcome.json")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    (tmp_path / "spec.yaml").write_text(SPEC)
    shell = Shell(monkeypatch, capsys)
    return lambda: shell("run", tmp_path / "spec.yaml", f"results={tmp_path}/results", "tracking.uri=jsonl")


def the_run(tmp_path):
    folder = Folder.at(tmp_path / "results" / "runs")
    (name,) = folder.names()
    return RunFolder(folder / name)


def undated(run):
    """Its outcome without times."""
    return {name: value for name, value in run.outcome().metrics.items() if "second" not in name}


def test_a_run_whose_files_were_all_torn_is_made_again(command, tmp_path, caplog):
    assert command().code == 0
    run = the_run(tmp_path)
    before, key = undated(run), run.about()["key"]
    torn = [(run.folder, name) for name in BOOKKEEPING if run.folder.exists(name)]
    torn += [(folder, folder.names()[0]) for folder in (run.folder / "log", run.folder / "system")]
    for folder, name in torn:
        folder.write(name, b"")
    again = command()
    assert again.code == 0, again.err
    assert undated(run) == before
    assert run.about()["key"] != key
    assert (run.folder / "mirror.json").uri in caplog.text
    for folder, name in torn:
        times = caplog.text.count(f"{folder / name} is not JSON")
        assert times == (name not in ("mirror.json", "progress.json")), name  # the latter is not even read


def test_a_finished_run_without_a_whole_run_json_gets_one(command, tmp_path):
    command()
    run = the_run(tmp_path)
    run.folder.write("run.json", b"{")
    said = command()
    assert said.code == 0, said.err
    assert "already finished" in said.out
    assert run.about()["mlflow_run_id"]
