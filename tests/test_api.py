"""Specs from Python: a file, its values and its jobs as objects are one spec."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import preimage
from preimage.errors import SpecError
from preimage.jobs.registry import JOBS
from preimage.runs.spec_params import SECTIONS
from preimage.specs.load import loads
from preimage.specs.objects import plain_spec
from preimage.specs.study import loads_study

ROOT = Path(__file__).parents[1]
SHIPPED = sorted([*(ROOT / "jobs").glob("*.yaml"), *(ROOT / "tuning").glob("*.yaml")])
WITH_PROFILES = [
    pytest.param(path, profile, id=f"{path.stem}-{profile}")
    for path in SHIPPED
    for profile in [None, *yaml.safe_load(path.read_text())["profiles"]]
]
NEED_A_RUN = {"compare-priors", "explore", "fit-prior", "invert", "pag"}
"""They name a generator or a store that nobody has: the loaded specs are compared."""
SPEC = {
    "steps": {
        "train": {
            "job": "train-gan",
            "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 200},
            "model": {"latent_dim": 4, "base_channels": 4},
            "training": {"total_images": 480, "batch_size": 24},
        },
        "invert": {"job": "invert", "generator": "train"},
    },
    "resources": {"backend": "local"},
    "tracking": {"uri": "none"},
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def objects(spec):
    """A job, the jobs of a pipeline, or a pipeline that repeats steps, as objects."""
    if not spec.is_pipeline:
        return spec.steps[spec.name]
    if not spec.rounds:
        return spec.steps
    written = spec.resolved()
    return written | {
        section: {name: job_of(body) for name, body in written[section].items()}
        for section in SECTIONS
        if section in written
    }


def job_of(body):
    return JOBS[body["job"]].model_validate(body)


@pytest.mark.parametrize(("path", "profile"), WITH_PROFILES)
def test_a_file_its_values_and_its_jobs_as_objects_have_one_fingerprint(path, profile, tmp_path):
    """Of a study the file and its values: a trial's body, which its space changes, is no job yet."""
    values, name = yaml.safe_load(path.read_text()), path.stem
    load = loads_study if "space" in values else loads
    loaded = load(path.read_text(), str(path), name, profile)
    assert load(values, "the spec", name, profile) == loaded
    other, chosen = values, profile
    if load is loads:
        other, chosen = objects(loaded), None
        assert loads(plain_spec(other), "the spec", name).steps == loaded.steps
    if name in NEED_A_RUN:
        with pytest.raises(SpecError, match="neither an earlier step, nor a run"):
            preimage.plan(other, (), chosen)
    else:
        assert preimage.plan(other, (), chosen).fingerprint == preimage.plan(path, (), profile).fingerprint
    assert list(tmp_path.iterdir()) == []


def test_jobs_are_found_by_their_classes_names():
    assert set(dir(preimage.jobs)) == {each.__name__ for each in JOBS.working()[0].values()}
    train = preimage.jobs.TrainGanJob(**SPEC["steps"]["train"])
    invert = preimage.jobs.InvertJob(generator="train")
    settings = {"resources.backend": "local"}
    made = preimage.plan({"train": train, "invert": invert}, settings)
    assert made.fingerprint == preimage.plan(SPEC).fingerprint
    assert preimage.plan(train, settings).name == "train-gan"
    mixed = {"steps": {"train": train, "invert": SPEC["steps"]["invert"]}, "seed": 3}
    assert preimage.plan(mixed, settings).resolved["steps"]["train"]["seed"] == 3, (
        "which the object did not set"
    )
    with pytest.raises(AttributeError, match="no attribute 'TrainGunJob'"):
        _ = preimage.jobs.TrainGunJob


def test_overrides_are_texts_or_values():
    by_text = ["train.model.latent_dim=5", "train.data.path=2", "seed=7"]
    by_value = {"train.model.latent_dim": np.int64(5), "train.data.path": Path("2"), "seed": 7}
    from_text, from_values = (
        loads(SPEC, "a", "a", None, each).steps["train"] for each in (by_text, by_value)
    )
    assert from_text == from_values
    assert (from_values.data.path, from_values.model.latent_dim, from_values.seed) == ("2", 5, 7)
    assert preimage.plan(SPEC, "seed=7").fingerprint == preimage.plan(SPEC, {"seed": 7}).fingerprint
    plain = {"train.optimizer": {"name": "adam", "lr": 1e-4, "beta1": 0.5}, "results": "here"}
    assert preimage.plan(SPEC, plain).resolved["steps"]["train"]["optimizer"]["lr"] == 1e-4
    assert preimage.plan(SPEC, "seed=1", results="there").root.path.endswith("there")
    assert preimage.plan(SPEC, {"seed": 1}, results="there").root.path.endswith("there")
    assert preimage.plan(SPEC, plain).root.path.endswith("here")
    with pytest.raises(SpecError, match="--results there and results=here differ"):
        preimage.plan(SPEC, plain, results="there")


def test_mistakes_of_values_and_of_overrides_are_reported_together():
    wrong = {"train.model.base_chanels": 8, "train.training.total_images": -1}
    spec = SPEC | {"steps": SPEC["steps"] | {"invert": {"job": "invert", "generator": "trian", "sed": 1}}}
    with pytest.raises(SpecError) as caught:
        preimage.plan(spec, wrong)
    assert str(caught.value).splitlines() == [
        "the spec has 3 mistakes:",
        "  override: steps.train.model.base_chanels: no such key; did you mean 'base_channels'?",
        "  override: steps.train.training.total_images: should be greater than or equal to 1, but got -1",
        "  steps.invert.sed: no such key; did you mean 'seed'?",
    ]
    by_text = [f"{key}={each}" for key, each in wrong.items()]
    with pytest.raises(SpecError) as again:
        preimage.plan(spec, by_text)
    assert str(again.value) == str(caught.value)


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        (SPEC, {3: 4}, "the key of an override is a text such as .*, not 3"),
        (SPEC, {"train.seed": object()}, "train.seed: a spec holds texts, .* but this is a builtins.object"),
        (
            SPEC | {"name": len},
            (),
            "the spec.name: a spec holds texts, .* this is a builtins.builtin_function",
        ),
        (SPEC, {"results": "s3://user:key@host/x"}, "results: this address carries a password or a key"),
        (SPEC | {"results": "s3://user:key@host/x"}, (), "the spec has 1 mistake:\n  results: this address"),
        ({1: 2}, (), "the spec: the keys of a spec must be names but got 1"),
        ({}, (), "the spec has 1 mistake:\n  job: is required"),
    ],
)
def test_what_no_spec_holds_is_refused(spec, changes, message):
    with pytest.raises(SpecError, match=message):
        preimage.plan(spec, changes)


def test_a_run_of_jobs_is_that_of_their_spec(tmp_path):
    """And is found again."""
    train = preimage.jobs.TrainGanJob(**SPEC["steps"]["train"])
    settings = {"resources.backend": "local", "tracking.uri": "none", "training.total_images": 48}
    outcome = preimage.run(train, settings, results=str(tmp_path / "results"))
    assert outcome.name == "train-gan"
    assert preimage.plan(outcome.run, results=str(tmp_path / "results")).is_done
    assert preimage.plan(train, settings, results=str(tmp_path / "results")).is_done
