"""An inversion on several nodes, broken on purpose: each image once, and the store of one that nothing
disturbed, to the byte."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest
import torch
import yaml

import strangers
from faulty import INVERT, TRAIN, meanwhile, planned, wait_for
from nodes import Stopwatch, alive, nodes, workers_on
from preimage import save_generator
from preimage.errors import StoreError
from preimage.latents.store import Store
from preimage.latents.verify import verify
from preimage.named_code import naming
from preimage.pipelines.execute import execute
from preimage.work.system_watch import node_of

pytestmark = pytest.mark.faults
ACTOR = "MapWorker"
AT_WORK = "MapWorker(MapBatches(_Actor)).submit"
QUICK = TRAIN | {
    "training": TRAIN["training"] | {"total_images": 1_200},
    "resources": {"backend": "local", "workers": 1},
}
SLOW = {"train": QUICK, "codes": INVERT | {"inversion": INVERT["inversion"] | {"steps": 700}}}
"""25 parts of 16 images."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    plan = planned(tmp_path_factory.mktemp("undisturbed"), SLOW)
    execute(plan)
    return Store.open(store_of(plan)).fingerprint


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core: an actor each. The last test kills one."""
    with pytest.MonkeyPatch.context() as patch, nodes(patch, [1, 1]) as made:
        yield made


def store_of(plan):
    return plan.steps[-1].run.product("store")


def parts_of(plan):
    """By when they were written."""
    there = [name for name in store_of(plan).names() if name.startswith("part-")]
    return sorted(there, key=store_of(plan).modified_ms)


def require_whole(plan, undisturbed):
    store = Store.open(store_of(plan))
    ids = torch.cat([codes.image_id for codes in store.batches(["image_id"])])
    assert len(ids) == len(ids.unique()) == verify(store.folder).count == 400
    assert store.fingerprint == undisturbed


@pytest.mark.long
def test_a_slow_node_gets_fewer_parts(cluster, undisturbed, tmp_path):
    """Its actor is stopped for nine tenths of the time."""
    _, _, other = cluster
    plan = planned(tmp_path, SLOW, backend="ray", workers=2)
    with dawdling(other, lambda: len(parts_of(plan)) >= 4):
        execute(plan)
    require_whole(plan, undisturbed)
    seconds = [value for _, value in plan.steps[1].run.curve("seconds_per_part")]
    usual = median(seconds)
    slow = [each for each in seconds if each > 3 * usual]
    print(f"{len(slow)} of 25 parts on the slow node, {median(slow) / usual:.1f} times slower each")
    assert 1 <= len(slow) <= 8, "in equal shares it would be 12"


@contextmanager
def dawdling(node, begun):
    over = threading.Event()

    def slow_down():
        wait_for(lambda: over.is_set() or (begun() and workers_on(node, AT_WORK)), 120)
        while not over.wait(0.05):
            actors = workers_on(node, AT_WORK)
            for each in actors:
                os.kill(each.pid, signal.SIGSTOP)
            over.wait(0.45 if actors else 0)
            for each in actors:
                os.kill(each.pid, signal.SIGCONT)

    thread = threading.Thread(target=slow_down)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_killed_driver_leaves_a_cluster_that_goes_on(cluster, undisturbed, tmp_path):
    """Its actors go with it; the same command makes what is missing, on the same cluster."""
    _, head, other = cluster
    plan, watch = planned(tmp_path, SLOW, backend="ray", workers=2), Stopwatch()
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(plan.spec.resolved(), sort_keys=False))
    command = [sys.executable, "-m", "preimage", "run", str(file)]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(parts_of(plan)) >= 5, 120)
    driver.kill()
    driver.wait()
    watch.start()
    watch.when(
        "the dead driver's actors were gone",
        lambda: not any(workers_on(each, ACTOR) for each in (head, other)),
    )
    kept = {name: store_of(plan).modified_ms(name) for name in parts_of(plan)}
    assert len(kept) < 25
    with pytest.raises(StoreError, match="is incomplete"):
        verify(store_of(plan))
    again = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watch.when("parts were made again", lambda: len(parts_of(plan)) > len(kept))
    assert again.wait() == 0
    watch.mark("the job was over")
    assert all(store_of(plan).modified_ms(name) == when for name, when in kept.items())
    require_whole(plan, undisturbed)
    sampled = {node_of(name) for name in plan.steps[1].run.system.names()}
    assert sampled == {f"{socket.gethostname()}-{each.node_id[:8]}" for each in (head, other)}


def test_named_code_is_there_again_after_a_killed_driver(cluster, tmp_path):
    """Each command brings it to Ray's workers. It lies in the folder in which the command runs."""
    code = {"code": "strangers:Branching", "settings": {"side": 8}}
    save_generator(strangers.Branching(side=8), tmp_path / "g", latent_dim=4, **code)
    own = {"generator": str(tmp_path / "g"), "data": TRAIN["data"] | {"size": 8}}
    steps = {"codes": INVERT | own | {"inversion": INVERT["inversion"] | {"steps": 400}}}
    with naming("strangers"):
        here = planned(tmp_path / "here", steps)
        execute(here)
        plan = planned(tmp_path / "there", steps, backend="ray", workers=2)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(plan.spec.resolved(), sort_keys=False))
    command = [sys.executable, "-m", "preimage", "run", f"{tmp_path}/spec.yaml", "--code", "strangers"]
    where = {"cwd": Path(strangers.__file__).parent, "stdout": subprocess.DEVNULL}
    driver = subprocess.Popen(command, **where)
    wait_for(lambda: len(parts_of(plan)) >= 5, 120)
    driver.kill()
    driver.wait()
    assert len(parts_of(plan)) < 25
    subprocess.run(command, **where, check=True)
    require_whole(plan, Store.open(store_of(here)).fingerprint)


def test_a_node_that_dies_takes_no_image_with_it(cluster, undisturbed, tmp_path):
    """It is killed as a power cut would, with an actor at work."""
    made, head, other = cluster
    plan, watch = planned(tmp_path, SLOW, backend="ray", workers=2), Stopwatch()
    before = []

    def kill_node() -> bool:
        if len(parts_of(plan)) < 4 or not all(workers_on(each, ACTOR) for each in (head, other)):
            return False
        before.extend(parts_of(plan))
        watch.start()
        made.remove_node(other, allow_graceful=False)
        return True

    def see_it() -> bool:
        if alive() > 1:
            return False
        watch.mark("the node was known to be dead")
        return True

    with meanwhile(see_it), meanwhile(kill_node) as killed:
        execute(plan)
    assert killed, "the inversion was over before the node could be killed"
    watch.mark("the job was over")
    print(f"{len(before)} of 25 parts were there when it died")
    require_whole(plan, undisturbed)
