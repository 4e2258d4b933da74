"""What differs from the shipped spec that a run was made from."""

from pathlib import Path

import pytest

from preimage.reports.content import Difference
from preimage.reports.spec_changes import spec_of
from preimage.specs.load import loads
from preimage.storage.plain_yaml import dump
from report_pages import made_run

PATH = Path(__file__).parents[2] / "jobs" / "pca.yaml"


@pytest.fixture
def run(folder):
    """A run of jobs/pca.yaml, somewhere else, on fewer images."""
    spec = loads(PATH.read_text(), str(PATH), "pca").resolved()
    spec["data"]["max_images"] = 7
    spec |= {"results": "elsewhere"}
    found = made_run(folder, "pca-1", job="pca", name="pca", what="Components (spec pca, with overrides).")
    found.folder.write("spec.yaml", dump(spec).encode())
    return found


def test_settings_that_differ_are_named_with_both_values(run):
    spec, about = spec_of(run, run.about())
    assert spec.shipped == "jobs/pca.yaml"
    assert spec.differences == (Difference("data.max_images", "null", "7"),)
    assert about.endswith(".")


@pytest.mark.parametrize(
    "known",
    [{"what": "Components (spec other)."}, {"what": "Components (spec pca-2)."}, {"name": "no such spec"}],
)
def test_a_run_of_another_spec_is_not_compared(run, known):
    spec, about = spec_of(run, run.about() | known)
    assert (spec.shipped, spec.differences, about) == ("", (), "")
    assert "max_images: 7" in spec.text


def test_a_spec_of_the_same_name_with_other_jobs_is_not_compared(run):
    run.folder.write("spec.yaml", b"name: pca\njob: glo\n")
    assert spec_of(run, run.about())[0].shipped == ""
