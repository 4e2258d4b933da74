"""Training on real Ray workers: the same curve as in this process, whoever dies on the way."""

import mlflow
import pytest
import torch

from faulty import TRAIN, kill, meanwhile, planned
from preimage.errors import NonFiniteError
from preimage.pipelines.execute import execute
from preimage.runs import checkpoints
from preimage.training.metric_names import GAN_METRICS
from stores import store_of

pytestmark = pytest.mark.ray


def curves(plan):
    return {name: plan.steps[0].run.curve(name) for name in GAN_METRICS}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same training in one process, without Ray."""
    plan = planned(tmp_path_factory.mktemp("undisturbed"), {"train": TRAIN})
    execute(plan)
    return plan


def seen(plan) -> int:
    state = plan.steps[0].run.progress()
    return state["done"] if state else 0


@pytest.mark.faults
def test_a_killed_worker_is_replaced_and_the_curve_and_the_mlflow_run_go_on(ray, undisturbed, tmp_path):
    plan = planned(tmp_path, {"train": TRAIN}, tracking="local", backend="ray")
    run = plan.steps[0].run

    def kill_worker() -> bool:
        state = run.progress()
        if not state or not checkpoints.committed(run.product("checkpoints")) or state["done"] >= 20_000:
            return False
        kill(state["pid"])
        return True

    with meanwhile(kill_worker) as killed:
        outcome = execute(plan)
    assert killed, "the worker was too quick to be killed"
    assert curves(plan) == curves(undisturbed)
    assert run.samples.names() == undisturbed.steps[0].run.samples.names()
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    child = (outcome.steps or {})["train"]["mlflow_run_id"]
    history = client.get_metric_history(child, "generator_loss")
    assert [(each.step, each.value) for each in history] == curves(plan)["generator_loss"]
    assert client.get_run(child).info.status == "FINISHED"
    runs = client.search_runs([client.get_run(child).info.experiment_id])
    assert len(runs) == 2, "the pipeline's and its step's"


GLO = {
    "job": "train-glo",
    "data": TRAIN["data"],
    "model": {"latent_dim": 6, "base_channels": 8},
    "optimizer": {"name": "sgd", "lr": 0.02},
    "training": TRAIN["training"] | {"total_images": 9_600, "checkpoint_every": 1_200},
}


@pytest.mark.faults
@pytest.mark.long
def test_glo_on_two_workers_with_one_killed_then_one_is_glo_on_one(ray, tmp_path):
    """The curve, the codes and the store of an undisturbed training on one worker, up to rounding."""
    whole = planned(tmp_path / "whole", {"glo": GLO})
    execute(whole)
    plan = planned(tmp_path / "moved", {"glo": GLO}, backend="ray", workers=2)
    run = plan.steps[0].run

    def kill_worker() -> bool:
        there = checkpoints.committed(run.product("checkpoints"))
        state = run.progress()
        if not state or not there or there[-1].images < 3_600:
            return False
        kill(state["pid"])
        return True

    with meanwhile(kill_worker) as killed:
        execute(plan)
    assert killed, "the worker was too quick to be killed"
    newest = checkpoints.newest(run.product("checkpoints"))
    assert sorted(newest.meta["files"]) == ["rank-0-of-2.pt", "rank-1-of-2.pt", "shared.pt"]
    assert [len(newest.own(rank)["codes"]) for rank in (0, 1)] == [200, 200], (
        "each has its images' codes alone"
    )

    begun = planned(tmp_path / "one", {"glo": GLO})  # another number of workers is the same run
    assert begun.steps[0].fingerprint == plan.steps[0].fingerprint == whole.steps[0].fingerprint
    first = checkpoints.committed(run.product("checkpoints"))[0]
    for name in [*first.meta["files"], "meta.json"]:
        target = begun.steps[0].run.product("checkpoints") / first.folder.path.rsplit("/", 1)[1]
        target.write(name, first.folder.read(name))
    execute(begun)
    assert begun.steps[0].run.curve("loss")[0][0] > first.images, "nothing before it is done again"
    assert checkpoints.newest(begun.steps[0].run.product("checkpoints")).world_size == 1

    expected = store_of(whole.steps[0].run).head(400)
    curve = dict(whole.steps[0].run.curve("loss"))
    for each in (plan, begun):
        for images, loss in each.steps[0].run.curve("loss"):
            assert loss == pytest.approx(curve[images], rel=2e-3)
        found = store_of(each.steps[0].run).head(400)
        assert torch.equal(found.image_id, expected.image_id)
        assert torch.allclose(found.z, expected.z, atol=5e-3)


def test_a_gradient_of_one_worker_that_is_not_finite_stops_all_of_them(ray, tmp_path):
    hot = TRAIN | {"optimizer": {"name": "sgd", "lr": 1e30}}
    plan = planned(tmp_path, {"train": hot}, backend="ray", workers=2)
    with pytest.raises(NonFiniteError, match=r"is not finite at step \d+\. The update was skipped"):
        execute(plan)
    assert not plan.steps[0].run.outcome()
