"""Records of finished runs."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.errors import PreimageError
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.storage.plain_yaml import dump
from preimage.tuning.records import read_records
from reproduction.how import how, took
from reproduction.record import record
from reproduction.records import numbers, read_all, text_of, write
from reproduction.without_places import without_places

GAN = {
    "job": "train-gan",
    "seed": 3,
    "data": {"source": "folder", "path": "/home/someone/photos.zip", "size": 16},
    "training": {"total_images": 64000},
    "results": "/home/someone/results",
    "tracking": {"uri": "http://someone.example:5000"},
    "resources": {"workers": 2},
}
INVERT = {"job": "invert", "seed": 3, "generator": "", "inversion": {"solver": "adam", "steps": 300}}


def made(folder: Path, spec: dict, metrics: dict | None, **about) -> RunFolder:
    """A run's folder as a job leaves it; not finished without metrics."""
    run = RunFolder(Folder.at(folder))
    head = {
        "format": 1,
        "preimage": "0.1.0",
        "job": spec["job"],
        "name": spec["job"],
        "fingerprint": "f" * 64,
    }
    about = {"key": "k", "created": "2026-01-02T03:04:05+00:00", "versions": {"torch": "2"}, **about}
    run.folder.write_json("run.json", head | about)
    run.folder.write("spec.yaml", dump(spec).encode())
    run.compute_on("cpu")
    if metrics is not None:
        run.finish(Outcome(spec["job"], spec["job"], run.name, "f" * 64, metrics, run.folder.uri))
    return run


@pytest.fixture
def inverted(tmp_path) -> RunFolder:
    """A run of a run, on images."""
    images = Folder.at(tmp_path / "datasets" / "digits-train-16px-0123456789")
    images.write_json("manifest.json", {"count": 1797})
    dataset = {"source": "digits", "address": images.uri}
    gan = made(tmp_path / "runs" / "train-gan-1", GAN, {"loss": 0.5}, dataset=dataset)
    spec = INVERT | {"generator": gan.product("generator").uri}
    inputs = {"generator": {"product": "generator", "address": gan.product("generator").uri}}
    metrics = {"error": 0.1234567890123456789, "scorer": {"weights": f"{tmp_path}/w.pt"}}
    return made(tmp_path / "runs" / "invert-1", spec, metrics, inputs=inputs, dataset=dataset)


def test_a_record_knows_how_its_inputs_were_made_but_no_place(inverted, tmp_path):
    found = record(inverted)
    text = text_of(found)
    assert found.made_from["train-gan-1"].spec["training"] == {"total_images": 64000}
    assert found.made_from["train-gan-1"].images == {"digits-train-16px-0123456789": 1797}
    assert found.spec["generator"] == "train-gan-1/generator"
    assert found.metrics == {"error": 0.1234567890123456789, "scorer": {"weights": "w.pt"}}
    for private in (str(tmp_path), "someone", "workers", "results", "://"):
        assert private not in text
    assert found.seconds is not None
    assert took(found).endswith(found.instruction_set)
    assert how([found]) == ("digits-train-16px (1,797); images seen: gan 64,000; adam, at most 300 steps")


def test_of_two_ways_to_search_that_of_the_metric_counts(inverted):
    steps = {"slow": INVERT, "fast": INVERT | {"inversion": {"solver": "lbfgs", "steps": 20}}, "gan": GAN}
    pipeline = {"job": "pipeline", "spec": {"steps": steps}, "made_from": {}, "images": {}}
    found = record(inverted).model_copy(update=pipeline)
    both = "images seen: gan 64,000; adam, at most 300 steps; lbfgs, at most 20 steps"
    assert how([found]) == how([found], ["gan.loss"]) == both
    assert how([found], ["fast.error"]) == "images seen: gan 64,000; lbfgs, at most 20 steps"


def test_a_record_is_read_as_it_was_written(inverted, tmp_path):
    found = record(inverted)
    path = write(tmp_path, "some-run", found)
    assert read_all(tmp_path) == {"some-run": found}
    assert path.read_text() == json.dumps(json.loads(path.read_text()), indent=1, sort_keys=True) + "\n"
    with pytest.raises(PreimageError, match="--as NAME"):
        write(tmp_path, "../elsewhere", found)
    path.write_text("{}")
    with pytest.raises(PreimageError, match="some-run.json is no record"):
        read_all(tmp_path)


def test_an_unfinished_run_is_not_recorded(tmp_path):
    with pytest.raises(PreimageError, match="not finished"):
        record(made(tmp_path / "runs" / "train-gan-2", GAN, None))


def test_a_studys_trials_are_recorded(tmp_path):
    study = tmp_path / "runs" / "study-1"
    shutil.copytree(Path(__file__).parents[1] / "formats" / "study-1", study)
    run = RunFolder(Folder.at(study))
    spec = run.folder.read("spec.yaml").decode()
    run.folder.write(
        "spec.yaml", spec.replace("correlate: {}", "correlate: {images_seen: minimize}").encode()
    )
    run.finish(Outcome("study", "sizes", run.name, "f" * 64, {"picked": {"best": 0}}, run.folder.uri))
    inner = made(tmp_path / "runs" / run_of(run), GAN, {"loss": 1.0})
    found = record(run)
    assert [each.number for each in found.trials] == [0, 1]
    assert found.trials[0].values == {"parameters": 178.0, "images_seen": 0.0}
    best = {f"picked.best.{name}": each for name, each in found.trials[0].values.items()}
    assert best.items() <= numbers(found).items()
    assert inner.name not in text_of(found)


def run_of(study: RunFolder) -> str:
    """The first trial's run."""
    return read_records(study.folder)[0].run or ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("T-shirt/top", "T-shirt/top"),
        ("average of 8/10", "average of 8/10"),
        ("/a/b/results/runs/train-gan-1/generator", "train-gan-1/generator"),
        ("s3://bucket/folder?region=us", "folder"),
        ("~/photos", "photos"),
        ("../shared/mnist", "mnist"),
        ("read from /a/b/c.pt, twice", "read from c.pt, twice"),
    ],
)
def test_paths_and_addresses_are_reduced_to_their_last_part(text, kept):
    assert without_places({"a": [text]}) == {"a": [kept]}


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=2, max_size=5))
def test_no_absolute_path_survives(parts):
    assert "/" + parts[0] not in without_places("/" + "/".join(parts))
