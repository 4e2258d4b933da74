"""The page on a run: all that is there, whatever it says of itself, and nothing from elsewhere."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from preimage.errors import PreimageError
from preimage.reports.pictures import figures_of, fitted, size_of
from preimage.reports.write import report_html, write_report
from preimage.runs import attempts
from preimage.storage.claims import claimed
from preimage.storage.plain_yaml import dump
from report_pages import Page, finish, made_run, png

EVIL = "\"'><img src=x onerror=alert(1)><script>alert(2)</script></style></pre>{{ 7*7 }}"
SAFE_NAME = '" onerror=alert(1) x=".png'


def test_whatever_a_run_says_is_text(folder):
    said = dict.fromkeys(("name", "title", "what", "made_by", "mlflow_run_id", "git_commit"), EVIL)
    said |= {"versions": {EVIL: EVIL}, "varied": {EVIL: EVIL}, "mlflow_page": "javascript:alert(1)"}
    said["dataset"] = {"source": EVIL, "address": str(folder / "none")}
    said["inputs"] = {EVIL: {"product": "store", "address": str(folder / "x<y")}}
    run = made_run(folder, "train-gan-1", **said)
    run.folder.write("spec.yaml", dump({"seed": 1, "note": EVIL}).encode())
    for images in (1, 2, 3):
        run.record(images, {EVIL: float(images), "</script><script>alert(3)</script>_loss": 1.0 / images})
    run.figures.write(SAFE_NAME, png())
    run.figures.write(
        "table.md", f"{EVIL}\n\n| {EVIL} | b |\n|---|---|\n| {EVIL} | [x](javascript:a) |\n".encode()
    )
    finish(run, {EVIL: EVIL}, headline=[EVIL], products={EVIL: EVIL}, hardware={"cpu": EVIL}, cost={EVIL: 3})
    html = report_html(run, [(EVIL, EVIL)])
    page = Page(html)
    page.require_harmless()
    assert page.text.count(EVIL) > 25


def test_it_is_self_contained_and_its_policy_names_what_it_holds(folder):
    run = made_run(folder, "train-gan-1")
    run.record(1, {"loss": 2.0})
    run.record(2, {"loss": 1.0})
    run.figures.write("samples.png", png())
    finish(run, {"loss": 1.0}, headline=["loss"])
    html = report_html(run)
    page = Page(html)
    page.require_harmless()
    (policy,) = [each["content"] for each in page.of("meta") if each.get("http-equiv")]
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in str(policy)
    assert str(policy).startswith("default-src 'none'; img-src data:; ")
    assert [each["class"] for each in page.of("polyline")] == ["c0", "c0"]  # linear and logarithmic
    assert "the training loss" in page.text
    assert "2026-01-02 03:04:05 UTC" in page.text


def test_a_failed_run_says_why_and_shows_what_there_is(folder):
    run = made_run(folder, "train-gan-1")
    run.record(1, {"loss": 2.0})
    run.record(2, {"loss": 1.0})
    with (
        pytest.raises(PreimageError),
        attempts.attempt(run, {"cpu": "a cpu", "instructions": "avx2", "cores": 2}),
    ):
        raise PreimageError("the images <ran> out")
    page = Page(report_html(run))
    assert "It failed. The images <ran> out" in page.text
    assert "2 cores, AVX2" in page.text
    assert len(page.of("svg")) == 1
    assert "preimage run train-gan-1 --results" in page.text


def test_an_interrupted_run_says_so(folder):
    page = Page(report_html(made_run(folder, "train-gan-1")))
    assert "It was stopped before its end" in page.text


def test_a_running_run_says_so(folder):
    run = made_run(folder, "train-gan-1")
    with claimed(run.folder):
        assert "It is still running" in Page(report_html(run)).text


def test_a_pipeline_has_a_section_for_each_step_that_began(folder):
    steps = {"one": "train-gan-1", "again": "train-gan-1", "two": "invert-1", "three": "pag-1"}
    whole = made_run(folder, "pipeline-1", job="pipeline", steps=steps)
    made_run(folder, "train-gan-1")
    invert = made_run(folder, "invert-1", job="invert")
    invert.figures.write("errors.png", png())
    finish(invert, {"reconstruction_error": 0.25}, headline=["reconstruction_error"])
    page = Page(report_html(whole))
    assert [each.get("id") for each in page.of("section") if each.get("class") == "step"] == [
        "train-gan-1",
        "invert-1",
    ]
    assert "These steps have not begun, or were skipped: three." in page.text
    assert [each["href"] for each in page.of("a")] == ["#train-gan-1", "#invert-1", "#made", "#again"]
    assert "0.25" in page.text


def test_every_figure_is_there_or_said_to_be_left_out(folder):
    run = made_run(folder, "train-gan-1")
    for name in ("b.png", "samples.png", "torn.png"):
        run.figures.write(name, png() if name != "torn.png" else b"no picture")
    finish(run, {})
    page = Page(report_html(run))
    assert [each.get("alt") for each in page.of("img")] == ["samples", "b", ""]  # the last one enlarges
    assert f"torn: left out: it is not a PNG. {(run.figures / 'torn.png').uri}" in page.text


def test_pictures_fill_a_page_in_their_order_and_no_more(folder):
    run = made_run(folder, "train-gan-1")
    run.figures.write("a.png", png(40, 30))
    run.figures.write("b.png", png())
    found = figures_of(run)
    room = len(found[0].png)
    ((first, second),) = fitted([found], most=room)
    assert (first.png, second.png) == (found[0].png, None)
    assert "left out" in second.why
    assert [size_of(each.png) for each in found] == [(40, 30), (8, 6)]


def test_a_damaged_part_is_said_and_the_rest_is_shown(folder):
    run = made_run(folder, "train-gan-1")
    run.figures.write("samples.png", png())
    run.folder.write("attempts.json", b"[1]")
    (run.folder / "log").write("000000000001.json", b'{"other": 1}')
    page = Page(report_html(run))
    assert len(page.of("img")) == 2
    assert "attempts.json" in page.text
    assert "000000000001.json" in page.text


def test_it_is_written_whole_beside_the_run_or_elsewhere(folder):
    run = made_run(folder, "train-gan-1")
    assert write_report(run) == (run.folder / "report.html").uri
    assert run.folder.read("report.html").endswith(b"</html>")
    out = folder.local / "page.html"
    assert write_report(run, out=out) == str(out)
    kept = folder.local / "notes.txt"
    kept.write_text("mine")
    with pytest.raises(PreimageError, match="no page"):
        write_report(run, out=kept)
    assert kept.read_text() == "mine"


def test_a_run_that_is_being_removed_gets_none(folder):
    run = made_run(folder, "train-gan-1")
    run.folder.write_json("removing.json", {})
    with pytest.raises(PreimageError, match="removes"):
        write_report(run)
    assert not run.folder.exists("report.html")
