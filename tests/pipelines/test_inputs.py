"""Names that stand for no run."""

import pytest

from preimage.pipelines.inputs import hint
from preimage.storage.folder import Folder


@pytest.fixture
def runs(tmp_path) -> Folder:
    folder = Folder.at(tmp_path) / "runs"
    for name, spec, day in (("pipeline-aaa", "demo", 1), ("pipeline-bbb", "demo", 3), ("invert-ccc", "x", 2)):
        about = {"job": "pipeline", "name": spec, "fingerprint": name, "key": name}
        (folder / name).write_json("run.json", about | {"created": f"2026-01-0{day}T00:00:00+00:00"})
    return folder


def test_the_name_of_a_spec_leads_to_its_last_run(runs):
    assert hint("demo", runs) == "the last run of demo is pipeline-bbb"


def test_a_name_with_a_slip_leads_to_the_run_and_any_other_to_the_list(runs):
    assert hint("invert-cc", runs) == "did you mean invert-ccc?"
    assert "preimage runs" in hint("photographs", runs)
    assert "preimage run demo" in hint("photographs", runs.parent / "elsewhere")
