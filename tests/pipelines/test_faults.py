"""Pipelines whose driver dies on a cluster that stays, are submitted twice, or lose their MLflow."""

import subprocess
import sys
import time

import mlflow
import psutil
import pytest
import yaml

import budget
from faulty import INVERT, TRAIN, meanwhile, planned, wait_for
from mlflow_server import Server
from mlflow_server import wait_for as wait_for_answer
from nodes import Stopwatch, nodes, workers_on
from preimage.latents.verify import verify
from preimage.pipelines.execute import execute
from preimage.runs import checkpoints
from preimage.training.metric_names import GAN_METRICS
from stores import store_of

pytestmark = pytest.mark.faults
STEPS = {
    "train": TRAIN,
    "codes": INVERT | {"inversion": INVERT["inversion"] | {"steps": 200}},
    "pag": {"job": "pag", "store": "codes"},
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    plan = planned(tmp_path_factory.mktemp("undisturbed"), STEPS)
    return plan, execute(plan)


def command(plan, tmp_path, name="spec.yaml"):
    file = tmp_path / name
    file.write_text(yaml.safe_dump(plan.spec.resolved(), sort_keys=False))
    return [sys.executable, "-m", "preimage", "run", str(file)]


def begin(line, **streams):
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, **streams)


def seen(plan):
    state = plan.steps[0].run.progress()
    return state["done"] if state else 0


def at_work(plan):
    """The process that trains."""
    return (plan.steps[0].run.progress() or {}).get("pid")


def half_trained(plan):
    return 6_000 < seen(plan) < 20_000 and bool(
        checkpoints.committed(plan.steps[0].run.product("checkpoints"))
    )


def require_same_curves(plan, undisturbed):
    there, _ = undisturbed
    for name in GAN_METRICS:
        assert plan.steps[0].run.curve(name) == there.steps[0].run.curve(name)


def require_same(plan, undisturbed):
    there, outcome = undisturbed
    require_same_curves(plan, undisturbed)
    store = store_of(plan.steps[1].run)
    assert verify(store.folder).count == 400
    assert store.fingerprint == store_of(there.steps[1].run).fingerprint
    assert plan.run.outcome().metrics["pag.pag"] == outcome.metrics["pag.pag"]


@pytest.mark.long
def test_a_killed_driver_leaves_no_worker_on_a_cluster_that_stays(undisturbed, monkeypatch, tmp_path):
    """In its training; then the same command again, on the same cluster."""
    with nodes(monkeypatch, [1, 1]) as (_, head, other):
        plan, watch = planned(tmp_path, {"train": TRAIN}, backend="ray"), Stopwatch()
        line = command(plan, tmp_path)
        driver = begin(line)
        wait_for(lambda: half_trained(plan), 120)
        worker = psutil.Process(at_work(plan))
        driver.kill()
        driver.wait()
        watch.start()
        watch.when("its training worker was gone", lambda: not worker.is_running())
        reached = seen(plan)
        watch.when("all its processes were gone", lambda: not any(map(busy_on, (head, other))))
        assert seen(plan) == reached, "nothing writes any more"
        again = begin(line)
        watch.when(
            "the training had gone beyond where it was",
            lambda: seen(plan) > reached or bool(plan.run.outcome()),
        )
        assert again.wait() == 0
        watch.mark("the training was over")
    require_same_curves(plan, undisturbed)


def busy_on(node):
    """What works there for somebody: a cluster keeps a few idle processes, and its dashboard's."""
    return [each for name in ("Train", "MapWorker", "_Actor", "_answer") for each in workers_on(node, name)]


def test_of_two_at_once_one_is_killed_and_the_other_takes_over(undisturbed, tmp_path):
    plan, watch = planned(tmp_path, STEPS, tracking="local"), Stopwatch()
    line = command(plan, tmp_path)
    both = {each.pid: each for each in (begin(line), begin(line))}
    wait_for(lambda: half_trained(plan), 120)
    first = at_work(plan)
    both.pop(first).kill()
    watch.start()
    watch.when("the other was at work", lambda: at_work(plan) not in (None, first))
    (other,) = both.values()
    assert other.wait() == 0
    require_same(plan, undisturbed)
    require_recorded_once(plan, tmp_path)


@pytest.mark.long
def test_the_same_spec_twice_at_once_and_another_that_shares_its_training_train_once(undisturbed, tmp_path):
    plan = planned(tmp_path, STEPS, tracking="local")
    more = {"more": {"job": "invert", "generator": "train", "inversion": {"solver": "adam", "steps": 10}}}
    other = planned(tmp_path, {"train": TRAIN} | more, tracking="local")
    assert other.steps[0].run.name == plan.steps[0].run.name
    lines = [command(plan, tmp_path), command(plan, tmp_path), command(other, tmp_path, "other.yaml")]
    three = [begin(line) for line in lines]
    assert [each.wait() for each in three] == [0, 0, 0]
    require_same(plan, undisturbed)
    assert store_of(other.steps[1].run).count == 400
    trained = [name for name in (plan.root / "runs").names() if name.startswith("train-gan")]
    assert len(trained) == 1
    require_recorded_once(plan, tmp_path, 4 + 2)


def require_recorded_once(plan, results, count=4):
    """In MLflow: the pipeline and its three steps (and what else is in the count), every point once."""
    client = mlflow.MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert len(runs) == count
    assert {each.info.status for each in runs} == {"FINISHED"}
    child = (plan.run.outcome().steps or {})["train"]["mlflow_run_id"]
    history = client.get_metric_history(child, "generator_loss")
    assert [(each.step, each.value) for each in history] == plan.steps[0].run.curve("generator_loss")


def test_a_tracking_server_that_is_away_misses_nothing(undisturbed, monkeypatch, tmp_path):
    """In a job on a cluster: the run goes on without it, and all of it is there in the end."""
    away, steps = (60, 2_000) if budget.WHOLE else (8, 600)
    server = Server(tmp_path)
    server.start()
    try:
        with nodes(monkeypatch, [2]) as (_, *_):
            slow = STEPS | {
                "codes": STEPS["codes"] | {"inversion": STEPS["codes"]["inversion"] | {"steps": steps}}
            }
            plan, watch = planned(tmp_path / "results", slow, tracking=server.uri, backend="ray"), Stopwatch()

            def stop_it() -> bool:
                if not half_trained(plan):
                    return False
                server.kill()
                watch.start()
                return True

            def start_it() -> bool:
                if watch.begin is None or time.monotonic() < watch.begin + away:
                    return False
                server.start()
                watch.mark("the server was back")
                return True

            with meanwhile(start_it) as started, meanwhile(stop_it) as stopped:
                outcome = execute(plan)
            assert stopped
            watch.mark("the job was over")
            print("the server was back before the job was over:", bool(started))
        server.start()
        wait_for_answer(server.uri + "/health", 90)
        execute(planned(tmp_path / "results", slow, tracking=server.uri, backend="local"))
        client = mlflow.MlflowClient(server.uri)
        child = (outcome.steps or {})["train"]["mlflow_run_id"]
        history = client.get_metric_history(child, "generator_loss")
        assert [(each.step, each.value) for each in history] == plan.steps[0].run.curve("generator_loss")
        runs = client.search_runs([client.get_run(child).info.experiment_id])
        assert len(runs) == 4
        assert {each.info.status for each in runs} == {"FINISHED"}
    finally:
        server.kill()
