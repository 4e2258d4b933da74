"""Generators in MLflow as inputs of jobs, from a real SQLite store."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest
import torch

import preimage as pi
import strangers
from preimage import api
from preimage.errors import GeneratorError, SpecError, TrackingError
from preimage.importing.save import save_generator
from preimage.models.generator_folder import load_generator
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.model_uri import look_up
from shell import Shell

NAME = "digits-gan"


PIPELINE = """\
steps:
  train:
    job: train-gan
    data: {source: digits, size: 16, channels: 1, max_images: 48}
    model: {latent_dim: 4, prior: normal, kernel_size: 4, base_channels: 4}
    training: {total_images: 48, batch_size: 24, log_every: 48, sample_every: 48, checkpoint_every: 48}
  codes: {job: invert, generator: train, inversion: {steps: 1}}
resources: {backend: local}
"""


@pytest.fixture(scope="module")
def made(tracker, tmp_path_factory):
    """Results in which a pipeline ran whose generator is registered, also under an alias, and its outcome."""
    root = tmp_path_factory.mktemp("made")
    (root / "spec.yaml").write_text(PIPELINE)
    outcome = run_again(root, tracker)
    tracker.client.set_registered_model_alias(NAME, "best", "1")
    return root, outcome, tracker


def run_again(root, tracker, name=NAME):
    changes = {"tracking.uri": tracker.uri, "tracking.register_as": name}
    return api.run(root / "spec.yaml", changes, results=str(root / "results"))


@pytest.fixture
def elsewhere(made, tmp_path, monkeypatch):
    """Another machine's results, with the first one's store as its MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made[2].uri)
    monkeypatch.setenv("PREIMAGE_RESULTS", str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "other"


def spec(generator, **more):
    data = {"source": "digits", "size": 16, "channels": 1, "max_images": 8}
    job = {"job": "invert", "generator": generator, "data": data, "inversion": {"steps": 2}}
    return job | {"resources": {"backend": "local"}} | more


def study_of(trial):
    space = {"inversion.steps": {"choice": [1, 2]}}
    return {"trial": trial, "space": space, "objectives": {"reconstruction_error": "minimize"}}


def test_a_pipeline_registers_the_generator_of_its_last_step_that_makes_one_and_once(made):
    root, outcome, tracker = made
    assert (
        tracker.client.search_model_versions(f"name = '{NAME}'")[0].run_id
        == trained(outcome)["mlflow_run_id"]
    )
    run_again(root, tracker)
    assert len(tracker.client.search_model_versions(f"name = '{NAME}'")) == 1
    run_again(root, tracker, "another")
    assert len(tracker.client.search_model_versions("name = 'another'")) == 1
    stored = api.plan(trained(outcome)["run"], results=str(root / "results"))
    assert stored.resolved["tracking"] == {"uri": tracker.uri, "experiment": "preimage"}


def trained(outcome):
    return outcome.steps["train"]


@pytest.mark.parametrize(
    "address", [f"models:/{NAME}/1", f"models:/{NAME}@best", f"models:/{NAME}/latest", "run"]
)
def test_a_model_is_downloaded_once_and_named_by_its_version(made, elsewhere, address):
    outcome = made[1]
    run_id = trained(outcome)["mlflow_run_id"]
    address = f"runs:/{run_id}/generator" if address == "run" else address
    planned = api.plan(spec(address))
    fact = dict(planned.describe().sections[0].facts)["generator"]
    assert fact.startswith("models:/m-" if run_id in address else f"models:/{NAME}/1 in MLflow, in ")
    (folder,) = (elsewhere / "generators").iterdir()
    weights = folder / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    assert api.plan(spec(address)).fingerprint == planned.fingerprint
    assert weights.stat().st_mtime_ns == before
    codes = torch.randn(3, 4)
    with torch.no_grad():
        ours = load_generator(Folder.at(trained(outcome)["products"]["generator"]))[0](codes)
        assert torch.equal(load_generator(folder)[0](codes), ours)


def test_a_network_of_its_own_code_is_taken_where_that_is_named(tracker, run_id, elsewhere, tmp_path):
    folder = tmp_path / "coded"
    save_generator(strangers.Branching(), folder, code="strangers:Branching", latent_dim=4)
    tracker.generator(run_id, Folder.at(folder))
    address = f"runs:/{run_id}/generator"
    with pytest.raises(GeneratorError, match="add --code strangers"):
        pi.load_generator(address)
    made, _ = pi.load_generator(address, code="strangers")
    codes = torch.randn(2, 4)
    assert torch.equal(made(codes), load_generator(folder, "strangers")[0](codes))


def test_a_run_says_which_version_it_used(made, elsewhere):
    done = api.run(spec(f"models:/{NAME}@best", tracking={"uri": made[2].uri}))
    used = RunFolder(Folder.at(done.folder)).about()["inputs"]["generator"]
    assert used["model"] == f"models:/{NAME}/1"
    assert "generators/mlflow-" in used["address"]
    assert used["address"] in Folder.at(done.folder).read("spec.yaml").decode()


def test_what_is_stored_or_submitted_names_the_version_that_an_alias_meant(made, elsewhere):
    best, version = spec(f"models:/{NAME}@best"), spec(f"models:/{NAME}/1")
    steps = {"steps": {"codes": {key: each for key, each in best.items() if key != "resources"}}}
    rounds = {"repeat": steps["steps"], "rounds": 2} | {"steps": {"other": steps["steps"]["codes"]}}
    study = {
        "space": {"inversion.steps": {"choice": [1, 2]}},
        "objectives": {"reconstruction_error": "minimize"},
    }
    study = {"trial": best, "sampler": {"name": "grid"}} | study
    for whole in (best, steps, rounds, study):
        named = str(api.plan(whole).resolved)
        assert f"models:/{NAME}/1" in named
        assert "@best" not in named
    assert api.plan(best).fingerprint == api.plan(version).fingerprint


def test_where_its_run_is_the_model_is_that_run_s(made):
    root, outcome, tracker = made
    results = {"results": str(root / "results"), "tracking": {"uri": tracker.uri}}
    by_model, by_run = (
        api.plan(spec(each, **results)) for each in (f"models:/{NAME}@best", trained(outcome)["run"])
    )
    assert by_model.fingerprint == by_run.fingerprint
    assert not (root / "results" / "generators").exists()


def test_the_library_and_the_command_line_take_models_too(made, elsewhere, monkeypatch, capsys):
    shown = Shell(monkeypatch, capsys)("generator", "show", f"models:/{NAME}@best")
    assert shown.code == 0, shown.err
    assert "train-gan" in shown.out
    generator, card = pi.load_generator(f"models:/{NAME}/1")
    with torch.no_grad():
        images = generator(torch.randn(2, card.generator.latent_dim))
    assert len(pi.invert(f"models:/{NAME}/1", images, steps=2, progress=False).z) == 2


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("models:/nobody/1", "has no models:/nobody/1: there is no model of that name"),
        (f"models:/{NAME}/7", "its versions are 1, its aliases best"),
        (f"models:/{NAME}@worst", f"has no models:/{NAME}@worst: its versions are 1, its aliases best"),
        ("models:/nobody/latest", "there is no model of that name"),
        (f"models:/m-{'0' * 32}", f"has no model m-{'0' * 32}"),
        (f"runs:/{'0' * 32}/generator", f"has no run {'0' * 32}"),
        ("models:/", "write models:/NAME/3, models:/NAME@ALIAS, models:/NAME/latest, or runs:/ID/generator"),
        (f"models:/{NAME}/Production", "is no address of a model in MLflow"),
        ("runs:/short/generator", "is no address of a model in MLflow"),
    ],
)
def test_a_model_that_is_not_there_is_one_message(made, elsewhere, address, said):
    with pytest.raises(SpecError) as error:
        api.plan(spec(address))
    assert said in str(error.value)


def test_a_store_that_is_not_there_is_one_message(elsewhere, monkeypatch):
    for uri in ("none", "jsonl"):
        with pytest.raises(SpecError, match=f"but tracking.uri is {uri}: name the store that has it"):
            api.plan(spec("models:/a/1", tracking={"uri": uri}))
    with pytest.raises(SpecError, match="has no MLflow store: name the one that has it with"):
        api.plan(spec("models:/a/1", tracking={"uri": "local"}))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"no MLflow server answers at http://127\.0\.0\.1:9"):
        api.plan(spec("models:/a/1", tracking={"uri": "http://127.0.0.1:9"}))
    with pytest.raises(SpecError, match="is a model in MLflow, but this must be a latent store"):
        api.plan({"job": "pag", "store": "models:/a/1", "resources": {"backend": "local"}})


def stranger(made, loader, tmp_path):
    """The address of a model with another loader, which would leave a file if it were imported."""
    tracker = made[2]
    run_id = tracker.begin(loader, "stranger", {}, None)
    (tmp_path / f"{loader}.py").write_text(f"open({str(tmp_path / 'went-off')!r}, 'w')")
    (tmp_path / "data").write_text("weights")
    model = tracker.client.create_logged_model(tracker.experiment_id, "generator", run_id)
    mlflow.pyfunc.save_model(
        str(tmp_path / loader),
        loader_module=loader,
        data_path=str(tmp_path / "data"),
        pip_requirements=["evil"],
    )
    tracker.client.log_model_artifacts(model.model_id, str(tmp_path / loader))
    assert_not_whole = pytest.raises(SpecError, match="is not whole")
    with assert_not_whole:
        api.plan(spec(f"runs:/{run_id}/generator"))
    tracker.client.finalize_logged_model(model.model_id, "READY")
    return run_id


def test_a_stranger_s_model_is_refused_and_its_loader_never_imported(made, elsewhere, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    run_id = stranger(made, "evil_loader", tmp_path)
    with pytest.raises(
        SpecError, match=r"no generator that Preimage logged \(its flavours: python_function\)"
    ):
        api.plan(spec(f"runs:/{run_id}/generator"))
    assert not (tmp_path / "went-off").exists()
    assert not (elsewhere / "generators").exists()


def test_what_is_altered_in_the_store_is_refused_like_any_folder(made, elsewhere):
    found = look_up(f"models:/{NAME}/1", TrackingConfig(uri=made[2].uri), Folder.at(elsewhere))
    folder = Path(found.location.removeprefix("file://")) / "data" / "generator"
    config, kept = folder / "config.json", (folder / "config.json").read_bytes()
    card = json.loads(kept)
    for wrong, said in (
        (card | {"weights_sha256": "0" * 64}, "weights.safetensors is missing, truncated or altered"),
        (card | {"generator": {"architecture": "evil"}}, "does not describe a generator"),
    ):
        config.write_text(json.dumps(wrong))
        with pytest.raises(GeneratorError, match=said) as error:
            api.plan(spec(f"models:/{NAME}/1"))
        assert "models:/digits-gan/1" in str(error.value)
        assert "/tmp" not in str(error.value).replace(str(elsewhere), "")
    config.write_bytes(kept)
    assert not (elsewhere / "generators").exists()
    shutil.rmtree(elsewhere, ignore_errors=True)


@pytest.mark.parametrize("name", ["a/b", "a:b", "", " a", "a ", "a@b", "..", "a'b"])
def test_names_that_mlflow_refuses_are_refused_before_work_starts(name, tmp_path):
    with pytest.raises(SpecError, match="a registered model is named with letters, digits"):
        api.plan(spec("x", tracking={"uri": "local", "register_as": name}), results=str(tmp_path))


def test_a_key_that_registers_nothing_is_refused(tmp_path):
    results = {"results": str(tmp_path)}
    with pytest.raises(SpecError, match="nothing here makes a generator that could be registered"):
        api.plan(spec("x", tracking={"register_as": "a"}), **results)
    with pytest.raises(SpecError, match="register_as needs MLflow, but uri is none"):
        api.plan(spec("x", tracking={"uri": "none", "register_as": "a"}), **results)
    study = {"trial": spec("x"), "space": {"inversion.steps": {"choice": [1, 2]}}}
    study |= {
        "objectives": {"reconstruction_error": "minimize"},
        "trials": 2,
        "tracking": {"register_as": "a"},
    }
    with pytest.raises(SpecError, match="a study registers no generator"):
        api.plan(study, **results)
