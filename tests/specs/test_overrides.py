"""What is written is what is meant: overrides by their keys' types, and YAML that reads nothing into text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preimage.errors import SpecError
from preimage.jobs.registry import JOBS
from preimage.specs.keys import type_at
from preimage.specs.load import loads
from preimage.specs.override_text import is_text
from preimage.specs.study import loads_study
from preimage.storage.plain_yaml import dump, load
from shell import PIPELINE, SPEC
from studies import GRID, text_of

ODD = (
    "photos #2",
    "no",
    "1:30",
    "0100",
    "2026-01-02",
    "1e-4",
    "a: b",
    "[x",
    "*star",
    "'quoted'",
    " spaced ",
    "~",
    "-",
)


def changed(*changes, text=SPEC):
    return loads(text, "a.yaml", "a", None, list(changes))


@pytest.mark.parametrize("text", ODD)
def test_text_is_taken_as_it_is(text):
    assert changed(f"data.path={text}").steps["a"].data.path == text
    assert changed(f"name={text}").name == text
    assert changed(f"train.data.path={text}", text=PIPELINE).steps["train"].data.path == text
    assert changed(f"prior.store={text}", text=PIPELINE).steps["prior"].store == text


def test_a_text_that_may_be_missing_is_unset_by_null_alone():
    given = SPEC.replace("max_images: 200", "max_images: 200, path: photos")
    assert changed("data.path=null", text=given).steps["a"].data.path is None
    assert changed("prior.store=null", text=PIPELINE).steps["prior"].store == "null"  # a store is required


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "training.total_images=0100",
            "total_images=0100: 0100 is octal to some readers: write 100",
        ),
        ("training.total_images=1000 #quick", "YAML takes '#quick' for a comment"),
        ("training.total_images=", "training.total_images= has no value$"),
        ("data.path=", "data.path= has no value: write data.path=null to unset it"),
        ("training.total_images=1:30", "training.total_images: .*valid integer.* but got '1:30'"),
        ("training.total_images=2026-01-02", "valid integer.* but got '2026-01-02'"),
        ("training={total_images: 0100}", "0100 is octal to some readers"),
        ("data={source: digits, path: 0100}", "or '0100' in quotes if it is text"),
        ("data={source: digits, path: 12}", "data.path: should be a valid string, but got 12"),
        ("optimizer.lr=[1", "the override optimizer.lr="),
    ],
)
def test_what_yaml_would_read_otherwise_is_refused(override, message):
    with pytest.raises(SpecError, match=message):
        changed(override)


def test_numbers_are_numbers_in_every_form():
    for text in ("1e-4", "1E-4", "0.0001", ".0001", "1.0e-4"):
        assert changed(f"optimizer.lr={text}").steps["a"].optimizer.lr == 1e-4
    assert changed("training.total_images=60_000").steps["a"].training.total_images == 60_000
    assert changed("resources.gpu=no").steps["a"].resources.gpu is False  # the field is no text


def test_a_studys_choices_are_what_is_written(tmp_path):
    changes = ["space.optimizer.momentum.choice=[0, 1e-4]", "trial.data.path=photos #2"]
    study = loads_study(text_of(GRID, tmp_path), "s.yaml", "s", None, changes)
    assert study.space["optimizer.momentum"].choice == (0, 1e-4)
    assert study.trial["data"]["path"] == "photos #2"


def test_a_spec_file_reads_text_and_numbers_as_overrides_do():
    text = SPEC.replace("max_images: 200", "max_images: 200, path: no").replace(
        "resources: {backend: local}", "resources: {backend: local}\noptimizer: {lr: 1e-4}"
    )
    job = changed(text=text).steps["a"]
    assert (job.data.path, job.optimizer.lr) == ("no", 1e-4)


def takes_text(spec, path):
    return is_text(type_at(spec, path))


def test_every_reference_of_every_job_takes_text():
    """A run may be called anything."""
    found = {
        (kind, name)
        for kind, job in JOBS.working()[0].items()
        for name in job.model_fields
        if takes_text({"job": kind}, (name,))
    }
    assert {("invert", "generator"), ("pag", "store"), ("recover", "generator"), ("pag", "prior")} <= found
    assert ("train-gan", "seed") not in found
    assert takes_text({"job": "train-gan"}, ("data", "source"))
    assert not takes_text({"job": "train-gan"}, ("resources", "gpu"))
    assert takes_text({"steps": {"a": {"job": "invert"}}}, ("steps", "a", "generator"))
    assert takes_text({"steps": {}}, ("defaults", "invert", "data", "path"))
    assert takes_text({"space": {}, "trial": {"job": "invert"}}, ("trial", "generator"))


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)


@given(st.dictionaries(st.sampled_from("abc"), plain | st.lists(plain, max_size=3) | st.sampled_from(ODD)))
@example({"a": "\x85", "b": "x\u2028y", "c": "\ufeff"})
def test_what_is_stored_is_read_again_as_it_was(value):
    again = load(dump(value))
    assert again == value
    assert [type(each) for each in again.values()] == [type(each) for each in value.values()]
