"""Generators as MLflow's models, in a real SQLite store."""

from pathlib import Path
from uuid import uuid4

import mlflow
import numpy as np
import pytest
import torch
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import validate_serving_input

import strangers
from preimage._version import __version__
from preimage.errors import TrackingError
from preimage.importing.save import save_generator
from preimage.models.generator_folder import load_generator, write_generator
from preimage.storage.folder import Folder
from preimage.tracking.mlflow_models import FINGERPRINT

STEPS = ("create_logged_model", "log_outputs", "log_model_artifacts", "finalize_logged_model")


@pytest.fixture(scope="module")
def generator(tiny_generator, tmp_path_factory):
    """A generator's folder."""
    folder = Folder.at(tmp_path_factory.mktemp("run") / "generator")
    write_generator(tiny_generator, folder, {"job": "train-gan"})
    return folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """That of a class-conditional one."""
    folder = Folder.at(tmp_path_factory.mktemp("stranger") / "generator")
    save_generator(strangers.Conditional(), folder, latent_dim=3, labels="y", classes=4, output=0)
    return folder


@pytest.fixture(params=["generator", "conditional"])
def folder_of_either(request):
    return request.getfixturevalue(request.param)


def models_of(tracker, run_id):
    """The run's models, as its page in MLflow lists them."""
    return tracker.client.search_logged_models([tracker.experiment_id], f"source_run_id = '{run_id}'")


def linked(tracker, run_id):
    return [each.model_id for each in tracker.client.get_run(run_id).outputs.model_outputs]


def files_of(model):
    whole = Path(model.artifact_location.removeprefix("file://"))
    return [each for each in whole.rglob("*") if each.is_file()]


def loaded(tracker, run_id):
    (model,) = models_of(tracker, run_id)
    return mlflow.pyfunc.load_model(model.artifact_location)


def test_a_generator_is_a_model_of_its_run_with_signature_example_and_requirements(
    tracker, run_id, generator
):
    tracker.generator(run_id, generator)
    (model,) = models_of(tracker, run_id)
    assert (model.name, model.status) == ("generator", LoggedModelStatus.READY)
    assert linked(tracker, run_id) == [model.model_id]
    found = loaded(tracker, run_id)
    (codes,), (images,) = found.metadata.signature.inputs.inputs, found.metadata.signature.outputs.inputs
    assert (codes.type, codes.shape) == (np.float32, (-1, 4))
    assert (images.type, images.shape) == (np.float32, (-1, 1, 16, 16))
    assert found.input_example.shape == (2, 4)
    files = {each.name: each for each in files_of(model)}
    assert f"preimage=={__version__}" in files["requirements.txt"].read_text().split()
    data = {name for name, each in files.items() if each.parts[-3:-1] == ("data", "generator")}
    assert data == {"config.json", "weights.safetensors"}
    assert "python_model" not in files["MLmodel"].read_text()


@pytest.mark.filterwarnings("ignore:.*validate_serving_input:FutureWarning")
def test_its_example_is_what_a_server_of_it_takes(tracker, run_id, folder_of_either):
    tracker.generator(run_id, folder_of_either)
    (model,) = models_of(tracker, run_id)
    (asked,) = [each for each in files_of(model) if each.name == "serving_input_example.json"]
    made = validate_serving_input(model.artifact_location, asked.read_text())
    config = load_generator(folder_of_either)[1].generator
    assert made.shape == (2, *config.shape)


def test_it_makes_exactly_the_images_of_its_folder(tracker, run_id, generator):
    tracker.generator(run_id, generator)
    codes = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    made = loaded(tracker, run_id).predict(codes.numpy())
    with torch.no_grad():
        assert np.array_equal(made, load_generator(generator)[0](codes).numpy())


def test_a_class_conditional_one_takes_labels_too(tracker, run_id, conditional):
    tracker.generator(run_id, conditional)
    codes, labels = torch.randn(4, 3), torch.arange(4)
    made = loaded(tracker, run_id).predict({"codes": codes.numpy(), "labels": labels.numpy()})
    with torch.no_grad():
        assert np.array_equal(made, load_generator(conditional)[0](codes, labels).numpy())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_wherever_logging_stops_there_is_one_model_in_the_end(
    tracker, run_id, generator, monkeypatch, step, when
):
    call, calls = getattr(tracker.client, step), []

    def once(*arguments, **named):
        calls.append(1)
        if len(calls) == 1:
            if when == "after":
                call(*arguments, **named)
            raise MlflowException("the connection broke")
        return call(*arguments, **named)

    monkeypatch.setattr(tracker.client, step, once)
    with pytest.raises(TrackingError, match="the connection broke"):
        tracker.generator(run_id, generator)
    for _ in range(2):
        tracker.generator(run_id, generator)
    (model,) = models_of(tracker, run_id)
    assert model.status == LoggedModelStatus.READY
    assert linked(tracker, run_id) == [model.model_id]
    assert loaded(tracker, run_id).predict(np.zeros((1, 4), np.float32)).shape == (1, 1, 16, 16)


def test_a_generator_is_registered_once_under_each_name(tracker, run_id, generator, monkeypatch):
    name = f"digits {uuid4().hex}"
    with pytest.raises(TrackingError, match="has no generator yet that could become"):
        tracker.register(run_id, name)
    tracker.generator(run_id, generator)
    tags = tracker.client.set_logged_model_tags
    monkeypatch.setattr(tracker.client, "set_logged_model_tags", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tracker.register(run_id, name)
    monkeypatch.setattr(tracker.client, "set_logged_model_tags", tags)
    assert tracker.register(run_id, name) == tracker.register(run_id, name) == "1"
    other = tracker.begin(uuid4().hex, "train", {}, None)
    tracker.generator(other, generator)
    assert tracker.register(other, name) == "2"
    versions = tracker.client.search_model_versions(f"name = '{name}'")
    assert {each.version: each.run_id for each in versions} == {1: run_id, 2: other}
    assert all(each.tags[FINGERPRINT] for each in versions)
    (model,) = models_of(tracker, run_id)
    assert f'{{"name": "{name}", "version": 1}}' in model.tags["mlflow.modelVersions"]
    assert tracker.register(run_id, f"{name} again") == "1"
