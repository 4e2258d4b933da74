"""Specs and overrides from anybody: a spec that can be planned, or one message."""

import copy
import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from preimage.errors import PreimageError
from preimage.pipelines.make_plan import make_plan
from preimage.specs.load import load, loads
from preimage.specs.study import is_study, loads_study
from security.mutations import FUZZ, NAMES, altered, damaged, documented, memory_within, values
from shell import PIPELINE, SPEC
from studies import GRID, LEARNING_RATES

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = (
    "job: !!python/object/apply:os.system ['touch ran']",
    "!!python/object/new:subprocess.Popen [[touch, ran]]",
    "job: !!python/name:os.system",
    "job: *nobody",
    "a: &a {b: *a}",
    "a: &a [*a]",
    "<<: {job: train-gan}",
    "<<: 1",
    "job: train-gan\njob: score",
    "? [1, 2]\n: x",
    "? {a: b}\n: x",
    "1: 2",
    "null: 2",
    "job: 2026-13-45",
    "job: " + "9" * 5000,
    "job: 0x" + "f" * 5000,
    "job: 1" + ":59" * 3000,
    "job: .nan",
    "job: !!binary '&&&'",
    "job: !!timestamp nonsense",
    "job: !!int nonsense",
    "job: !!float ''",
    'job: "\\ud800"',
    "a: " + "[" * 3000,
    "{a: " * 3000,
    "--- \n...\n---\n",
    "%YAML 9.9\n---\na: b",
    "",
    "\0",
    LAUGHS,
    LAUGHS + "job: *i",
    "job: train-gan\nprofiles: {x: {y: *z}}",
    "job: train-gan\nprofiles: {1: {2: 3}}",
    "trial: {job: train-gan}\nspace: {a.b: {choice: [1]}}",
    "space: 3",
    "steps: {a: {job: train-gan}}\nrounds: 99999999999\nrepeat: {b: {job: train-gan}}",
)
BASES = [*map(yaml.safe_load, (SPEC, PIPELINE)), GRID, LEARNING_RATES]


def any_spec(text, profile=None, changes=()):
    if is_study(text, "a.yaml"):
        return loads_study(text, "a.yaml", "a", profile, changes)
    return loads(text, "a.yaml", "a", profile, changes)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30].encode().hex())
def test_hostile_yaml_is_one_message_at_once(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin = time.monotonic()
    with memory_within(200):
        documented(lambda: any_spec(text))
    assert time.monotonic() - begin < 5
    assert not list(tmp_path.iterdir())


@FUZZ
@given(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from([SPEC, PIPELINE]).flatmap(lambda text: damaged(text.encode())),
    )
)
def test_any_bytes(tmp_path, data):
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    documented(lambda: load(path))
    documented(lambda: any_spec(data.decode(errors="replace")))


@FUZZ
@given(st.sampled_from(BASES).flatmap(altered))
def test_any_value_in_the_place_of_another(tmp_path, value):
    if not isinstance(value, dict):
        return
    text = yaml.safe_dump(value | {"results": str(tmp_path)} if "results" not in value else value)
    spec = documented(lambda: any_spec(text))
    if spec and not is_study(text, "a"):
        documented(lambda: make_plan(spec))
        assert any_spec(yaml.safe_dump(spec.resolved())).resolved() == spec.resolved()


KEYS = (
    "training.total_images",
    "data.path",
    "steps.train.data.size",
    "name",
    "a.b.c",
    "profiles.x",
    "steps",
    "space.x",
    "trial.job",
)


@FUZZ
@example(SPEC, ["training.\u00b2=1"])
@example(SPEC.replace("480", "[480]"), ["training.total_images.\u00b2=1"])
@example(SPEC.replace("480", "[480]"), [f"training.total_images.{'9' * 5000}=1"])
@example(SPEC, ["training.total_images=" + "9" * 5000])
@example(SPEC, ["training.total_images=2026-13-45"])
@example(SPEC, ["training.total_images=" + "[" * 3000])
@example(SPEC, ["training.total_images=&a [*a]"])
@given(
    st.sampled_from([SPEC, PIPELINE, yaml.safe_dump(GRID)]),
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.tuples(st.sampled_from(KEYS) | st.text(max_size=8), st.text(max_size=12)).map("=".join),
            st.tuples(st.sampled_from(KEYS), values).map(lambda pair: f"{pair[0]}={yaml.safe_dump(pair[1])}"),
        ),
        max_size=3,
    ),
)
def test_any_override(text, changes):
    documented(lambda: any_spec(text, None, changes))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_an_earlier_run(tmp_path, name):
    value = copy.deepcopy(yaml.safe_load(PIPELINE)) | {"results": str(tmp_path)}
    value["steps"]["codes"]["generator"] = name
    spec = any_spec(yaml.safe_dump(value))
    with pytest.raises(PreimageError):
        make_plan(spec)
