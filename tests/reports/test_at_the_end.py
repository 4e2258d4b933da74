"""The page that a run writes at its end, and the verb that writes it again."""

import logging

import pytest

from preimage.errors import StorageError
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from report_pages import Page
from shell import PIPELINE, Shell
from studies import GRID, JOB, text_of

SHORT = PIPELINE.replace("total_images: 480", "total_images: 96").replace("steps: 5", "steps: 2")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    (folder / "spec.yaml").write_text(SHORT)
    return folder


@pytest.fixture
def preimage(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    shell = Shell(monkeypatch, capsys)
    return lambda *words: shell(*words, "--results", place / "results")


@pytest.fixture
def pipeline(preimage, place):
    """The finished pipeline's run, and what was printed at its end."""
    said = preimage("run", "spec.yaml")
    assert said.code == 0, said.err
    (folder,) = (place / "results" / "runs").glob("pipeline-*")
    return RunFolder(Folder.at(folder)), said.out


def test_a_pipeline_leaves_one_page_with_every_figure_of_its_steps(pipeline, place):
    run, out = pipeline
    address = (run.folder / "report.html").uri
    assert [line.split() for line in out.splitlines() if line.startswith("report ")] == [["report", address]]
    assert "figures/" not in out
    assert [str(each) for each in place.rglob("report.html")] == [address]
    page = Page(run.folder.read("report.html").decode())
    page.require_harmless()
    figures = [each for step in run.outcome().steps.values() for each in step["figures"]]
    assert len(figures) >= 4
    shown = [each["alt"] for each in page.of("img")]
    assert {name.replace("-", " ").replace("_", " ") for name in figures} <= set(shown)
    assert [each["href"] for each in page.of("a")][-2:] == ["#made", "#again"]
    assert "preimage run pipeline-" in page.text
    assert "What next" in page.text


def test_a_finished_run_keeps_its_page_and_gets_one_that_is_missing(pipeline, preimage):
    run, _ = pipeline
    before = run.folder.read("report.html")
    preimage("run", "spec.yaml")
    assert run.folder.read("report.html") == before
    run.folder.remove("report.html")
    preimage("run", "spec.yaml")
    assert run.folder.exists("report.html")


def test_the_verb_writes_it_again_here_or_elsewhere(pipeline, preimage, place):
    run, _ = pipeline
    run.folder.remove("report.html")
    assert preimage("report", run.name).out.strip() == (run.folder / "report.html").uri
    assert run.folder.exists("report.html")
    assert preimage("report", run.name, "--out", place / "other.html").out.strip() == str(
        place / "other.html"
    )
    assert Page((place / "other.html").read_text()).text


def test_an_unknown_run_is_one_sentence(pipeline, preimage):
    run, _ = pipeline
    said = preimage("report", f"{run.name}0")
    assert (said.code, said.out) == (2, "")
    assert said.err.strip().endswith(f"did you mean {run.name}?")
    assert len(said.err.strip().splitlines()) == 1


def test_a_run_whose_page_cannot_be_written_is_finished(pipeline, preimage, monkeypatch, caplog):
    run, _ = pipeline
    run.folder.remove("report.html")

    def refuse(*_):
        raise StorageError("the disk is full")

    monkeypatch.setattr("preimage.reports.write.report_html", refuse)
    with caplog.at_level(logging.WARNING):
        assert preimage("run", "spec.yaml").code == 0
    assert "the run is finished, but its report was not written: the disk is full" in caplog.text
    assert not run.folder.exists("report.html")


def test_a_study_s_page_has_its_trials_and_its_pictures(preimage, place):
    study = {**GRID, "space": {"optimizer.lr": {"choice": [1e-3, 2e-3]}}}
    study["trial"] = {**JOB, "training": {**JOB["training"], "total_images": 48, "sample_every": 48}}
    (place / "study.yaml").write_text(text_of(study, place / "results"))
    said = preimage("run", "study.yaml")
    assert said.code == 0, said.err
    (file,) = (place / "results" / "runs").glob("study-*/report.html")
    assert str(file) in said.out
    page = Page(file.read_text())
    page.require_harmless()
    shown = {each["alt"] for each in page.of("img")}
    assert {"gallery", "best worst", "parallel coordinate generator loss"} <= shown
    assert "2 trials: 2 complete; ranked by generator_loss, lowest first." in page.text
    assert "preimage study pick study-" in page.text
    assert preimage("study", "pick", file.parent.name, 1, "best", "--note", "<b>sharp</b>").code == 0
    assert "“<b>sharp</b>”" in Page(file.read_text()).text
