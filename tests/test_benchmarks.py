"""The rows of a run of benchmarks. What they measure is not tested: tests know no times."""

import json

from benchmarks.measure import Failed, Skipped, measured
from benchmarks.results import Results


def test_each_row_is_in_the_file_at_once_and_says_how_it_was_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    results = Results(tmp_path / "build" / "bench.json")
    results.add(Skipped("no.gpu", "no GPU"))
    assert json.loads(results.path.read_text()) == {"no.gpu": {"skipped": "no GPU"}}

    results.add(measured("ours_over_theirs", [1, 2, 3, 4, 5], "x", aim=4, note="why", clock="processor"))
    rows = json.loads(results.path.read_text())
    assert rows["no.gpu"] == {"skipped": "no GPU"}
    row = rows["ours_over_theirs"]
    assert (row["value"], row["quartiles"], row["aim"], row["meets"]) == (3, [2, 4], 4, False)
    assert (row["clock"], row["note"]) == ("processor", "why")
    assert "ONEDNN_MAX_CPU_ISA=AVX2" in row["machine"]
    assert row["instructions"]
    assert "torch" in row["versions"]
    assert row["date"]
    assert not results.failed


def test_a_row_that_failed_is_not_hidden(tmp_path):
    results = Results(tmp_path / "bench.json")
    results.add(Failed("ours_over_theirs", "RuntimeError: apart by 0.1"))
    assert json.loads(results.path.read_text())["ours_over_theirs"]["failed"] == "RuntimeError: apart by 0.1"
    assert results.failed
