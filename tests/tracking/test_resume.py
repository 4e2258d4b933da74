import pytest

from preimage.errors import PreimageError
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.specs.load import loads
from preimage.tracking import mirror
from preimage.training.gan import GanAlgorithm
from shell import PIPELINE


class Killed(PreimageError):
    pass


@pytest.fixture
def plan(tmp_path):
    changes = [f"results={tmp_path}/results", "tracking.uri=local"]
    return lambda: make_plan(loads(PIPELINE, "p.yaml", "p", None, changes))


def die(*_):
    raise Killed


def runs(tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/results/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("preimage").experiment_id])
    return client, {each.info.run_name: each for each in found}, len(found)


def test_an_interrupted_pipeline_goes_on_in_the_same_runs(plan, tmp_path, monkeypatch):
    original = GanAlgorithm.step
    monkeypatch.setattr(
        GanAlgorithm, "step", lambda self, *args: die() if args[2] == 12 else original(self, *args)
    )
    with pytest.raises(Killed):
        execute(plan())
    _, before, _ = runs(tmp_path)
    assert {name: each.info.status for name, each in before.items()} == {"p": "FAILED", "train": "FAILED"}

    monkeypatch.setattr(GanAlgorithm, "step", original)
    outcome = execute(plan())
    client, after, count = runs(tmp_path)
    assert count == 4
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    assert all(after[name].info.run_id == before[name].info.run_id for name in before)
    assert {each.data.tags.get("mlflow.parentRunId") for name, each in after.items() if name != "p"} == {
        after["p"].info.run_id
    }
    history = client.get_metric_history(after["train"].info.run_id, "generator_loss")
    assert [each.step for each in history] == list(range(48, 481, 48))
    assert outcome.mlflow_run_id == after["p"].info.run_id

    ends = {name: each.info.end_time for name, each in after.items()}
    execute(plan())
    _, again, _ = runs(tmp_path)
    assert {name: each.info.end_time for name, each in again.items()} == ends  # nothing was reopened


def test_a_run_whose_last_words_were_lost_is_recorded_by_the_next_command(plan, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(mirror.Mirror, "finish", die)
        with pytest.raises(Killed):
            execute(plan())
    execute(plan())
    _, after, count = runs(tmp_path)
    assert count == 4
    assert {each.info.status for each in after.values()} == {"FINISHED"}
    assert after["train"].data.metrics["images_seen"] == 480


def test_fingerprints_and_addresses_are_tags(plan, tmp_path):
    outcome = execute(plan())
    _, found, _ = runs(tmp_path)
    tags = {name: each.data.tags for name, each in found.items()}
    for key in ("preimage.generator_fingerprint", "preimage.dataset_fingerprint"):
        assert len({tags[name][key] for name in ("train", "codes", "prior")}) == 1
    assert tags["codes"]["preimage.store_fingerprint"] == tags["prior"]["preimage.store_fingerprint"]
    made = outcome.products
    assert tags["codes"]["preimage.store"] == tags["p"]["preimage.codes.store"] == made["codes.store"]
    assert (
        tags["train"]["preimage.generator"]
        == tags["p"]["preimage.train.generator"]
        == made["train.generator"]
    )
    (images,) = found["train"].inputs.dataset_inputs
    assert tags["train"]["preimage.dataset_fingerprint"].startswith(images.dataset.digest)
