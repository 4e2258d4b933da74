"""Inverting a whole dataset: each image once, whatever dies on the way."""

import subprocess
import sys

import psutil
import pytest
import torch
import yaml

from faulty import INVERT, TRAIN, kill, meanwhile, planned, wait_for
from preimage.inversion.config import InversionConfig
from preimage.inversion.dataset import part_rows, starts
from preimage.latents.store import Store
from preimage.latents.verify import verify
from preimage.pipelines.execute import execute
from tiny import MODEL

QUICK = TRAIN | {
    "training": TRAIN["training"] | {"images": 1_200},
    "resources": {"backend": "local", "workers": 1},
}
STEPS = {"train": QUICK, "codes": INVERT}
SLOW = {"train": QUICK, "codes": INVERT | {"inversion": INVERT["inversion"] | {"steps": 900}}}


def test_a_start_follows_from_the_seed_and_the_image_alone():
    config = InversionConfig(start="prior")
    together = starts(torch.tensor([5, 3, 9]), 0, MODEL, config)
    assert torch.equal(together[1:2], starts(torch.tensor([3]), 0, MODEL, config))
    assert not torch.equal(together, starts(torch.tensor([5, 3, 9]), 1, MODEL, config))
    near = starts(torch.arange(2000), 0, MODEL, InversionConfig())
    assert near.std() == pytest.approx(1e-4, rel=0.05)


@pytest.mark.parametrize(("count", "batch"), [(1, 64), (1797, 64), (60_000, 64), (10**7, 100)])
def test_parts_are_whole_batches_and_never_too_many(count, batch):
    rows = part_rows(count, batch)
    assert rows % batch == 0
    assert rows <= max(4096, batch)


def test_a_dataset_becomes_a_store_with_each_image_once(tmp_path):
    plan = planned(tmp_path, STEPS)
    outcome = execute(plan)
    store = Store.open(outcome.store)
    ids = torch.cat([codes.image_id for codes in store.batches(["image_id"])])
    assert store.count == len(ids.unique()) == 400
    assert outcome.metrics["reconstruction_error"] == pytest.approx(verify(store.folder).loss_mean, rel=1e-5)
    assert store.about.solver["steps"] == 60


def fingerprints(results, steps, **resources):
    plan = planned(results, steps, **resources)
    execute(plan)
    return Store.open(plan.steps[1].run.store).fingerprint


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return fingerprints(tmp_path_factory.mktemp("undisturbed"), SLOW)


def parts_of(plan):
    return [name for name in plan.steps[1].run.store.names() if name.startswith("part-")]


def begin(plan, tmp_path):
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(plan.spec.resolved(), sort_keys=False))
    return [sys.executable, "-m", "preimage", "run", str(file)]


@pytest.mark.ray
def test_a_killed_driver_leaves_finished_parts_which_are_not_done_again(undisturbed, tmp_path):
    plan = planned(tmp_path, SLOW, backend="ray", workers=2)
    command = begin(plan, tmp_path)
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(parts_of(plan)) >= 5, 120)
    driver.kill()
    driver.wait()
    store = plan.steps[1].run.store
    half = verify_refuses(store)
    kept = {name: (store.local / name).stat().st_mtime_ns for name in parts_of(plan)[:3]}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert "half-written" in half
    assert all((store.local / name).stat().st_mtime_ns == when for name, when in kept.items())
    assert verify(store).count == 400
    assert Store.open(store).fingerprint == undisturbed


def verify_refuses(store):
    with pytest.raises(Exception, match="half-written") as caught:
        verify(store)
    return str(caught.value)


@pytest.mark.ray
def test_a_killed_actor_is_replaced(ray, undisturbed, tmp_path):
    plan = planned(tmp_path, SLOW, backend="ray", workers=2)

    def kill_actor() -> bool:
        if len(parts_of(plan)) < 3:
            return False
        actors = [
            each
            for each in psutil.Process().children(recursive=True)
            if "MapWorker" in " ".join(each.cmdline())
        ]
        if actors:
            kill(actors[0].pid)
        return bool(actors)

    with meanwhile(kill_actor) as killed:
        execute(plan)
    assert killed, "no actor was found to kill"
    assert verify(plan.steps[1].run.store).count == 400
    assert Store.open(plan.steps[1].run.store).fingerprint == undisturbed


@pytest.mark.ray
def test_a_killed_node_takes_no_image_with_it(undisturbed, tmp_path):
    import ray as library
    from ray.cluster_utils import Cluster

    library.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        library.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        plan = planned(tmp_path, SLOW, backend="ray", workers=2)

        def kill_node() -> bool:
            if len(parts_of(plan)) < 4:
                return False
            cluster.remove_node(node, allow_graceful=False)
            return True

        with meanwhile(kill_node) as killed:
            execute(plan)
        assert killed, "the inversion was over before the node could be killed"
        assert verify(plan.steps[1].run.store).count == 400
        assert Store.open(plan.steps[1].run.store).fingerprint == undisturbed
    finally:
        library.shutdown()
        cluster.shutdown()
