"""GLO on several nodes, broken on purpose: the curve, the codes and the store of a training that nothing
disturbed."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch

import two_workers
from faulty import wait_for
from nodes import Stopwatch, alive, nodes, workers_on
from preimage.config import Resources
from preimage.latents.verify import verify
from preimage.runs import checkpoints
from preimage.training import on_ray
from preimage.training.loop import train
from preimage.training.training import Training
from preimage.training.worker import Worker
from preimage.work.system_watch import node_of
from stores import store_of
from two_workers import calm_glo, disturbed

pytestmark = pytest.mark.faults
LONG = {
    "total_images": 6_000,
    "batch_size": 25,
    "log_every": 250,
    "sample_every": 6_000,
    "checkpoint_every": 500,
}
"""240 steps of a batch that two workers cannot share out evenly."""
TWO = Resources(workers=2, gpu=False)
ELASTIC = Resources(workers=2, min_workers=1, gpu=False)
AT_WORK = "RayTrainWorker"


@pytest.fixture
def undisturbed(make_glo) -> Training:
    whole = replace(make_glo("whole", **LONG), build=calm_glo)
    train(Worker(), whole)
    return whole


@pytest.fixture
def training(make_glo, tmp_path) -> Training:
    return replace(make_glo("broken", **LONG), build=partial(disturbed, tmp_path))


@contextmanager
def trained(training: Training, resources: Resources, tmp_path) -> Iterator[Stopwatch]:
    """A training that runs beside the block, slowly until the block is over. It is whole after the block."""
    (tmp_path / "slow").touch()
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            on_ray.fit_on_ray(training, resources)
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield Stopwatch()
    finally:
        (tmp_path / "slow").unlink(missing_ok=True)
        thread.join(timeout=300)
    assert not thread.is_alive(), "it never ended"
    if wrong:
        raise wrong[0]


def steps(tmp_path) -> list[tuple[int, int]]:
    """Every step that was made: its number, and by how many workers."""
    path = tmp_path / "steps"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(number), int(workers)) for number, workers in (line.split() for line in lines)]


def world(tmp_path) -> int:
    return steps(tmp_path)[-1][1] if steps(tmp_path) else 0


def half_way(training: Training, tmp_path) -> bool:
    """Whether there is a checkpoint, and steps after it that would be lost."""
    since = steps(tmp_path)[-1][0] % 20 if steps(tmp_path) else 0
    return bool(checkpoints.committed(training.run.product("checkpoints"))) and 8 <= since <= 14


def pace(tmp_path, count: int = 60) -> float:
    """The next steps a second."""
    before, begin = len(steps(tmp_path)), time.monotonic()
    wait_for(lambda: len(steps(tmp_path)) >= before + count, 200)
    return count / (time.monotonic() - begin)


def require_same(training: Training, undisturbed: Training) -> None:
    """No gap in the curve and nothing twice; every image in the store, once, with its code."""
    a, b = (each.run.curve("loss") for each in (undisturbed, training))
    assert [images for images, _ in b] == [images for images, _ in a] == list(range(250, 6_001, 250))
    assert torch.allclose(torch.tensor(b), torch.tensor(a), rtol=2e-3), "up to the rounding of sums"
    verify(training.run.product("store"))
    expected, found = (store_of(each.run).head(1000) for each in (undisturbed, training))
    assert torch.equal(found.image_id, expected.image_id)
    assert torch.allclose(found.z, expected.z, atol=5e-3)
    assert torch.allclose(found.loss, expected.loss, rtol=1e-2)


def redone(tmp_path) -> int:
    """Steps that were made more than once, each of which was after the last checkpoint then."""
    made = Counter(number for number, _ in steps(tmp_path))
    assert sorted(made) == list(range(240)), "every step was made"
    return made.total() - len(made)


@pytest.fixture(scope="module")
def cluster() -> Iterator[list]:
    """Two nodes of one core: a worker each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(two_workers.__file__).parent), prepend=os.pathsep)
        with nodes(patch, [1, 1]) as made:
            patch.setenv("RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S", "10")
            yield made


@pytest.mark.long
def test_a_slow_node_makes_a_training_slow_and_no_more(cluster, training, undisturbed, tmp_path):
    """Its worker stands still for four fifths of the time; nobody takes it for dead."""
    over = threading.Event()
    with trained(training, TWO, tmp_path):
        wait_for(lambda: half_way(training, tmp_path), 200)
        (worker,) = workers_on(cluster[2], AT_WORK)
        (tmp_path / "slow").unlink()
        free = pace(tmp_path)
        stutter = threading.Thread(target=_stutter, args=(worker, over), daemon=True)
        stutter.start()
        slow = pace(tmp_path)
        print(f"{slow:.2f} steps a second with a slow node, {free:.2f} without")
    over.set()
    stutter.join(timeout=10)
    assert slow < free / 2
    assert redone(tmp_path) == 0, "no worker was given up"
    require_same(training, undisturbed)


@pytest.mark.long
def test_a_worker_that_never_answers_again_is_given_up(cluster, training, undisturbed, tmp_path):
    """Frozen, as by a machine that swaps or a debugger: found by Ray's health check, here after 10 s."""
    with trained(training, TWO, tmp_path) as watch:
        wait_for(lambda: half_way(training, tmp_path), 200)
        (worker,) = workers_on(cluster[2], AT_WORK)
        worker.suspend()
        time.sleep(1)
        before = len(steps(tmp_path))
        watch.start()
        watch.when("the frozen worker is gone", lambda: not workers_on(cluster[2], AT_WORK), 200)
        watch.when("two workers train again", lambda: len(steps(tmp_path)) > before + 2, 200)
    print(f"{redone(tmp_path)} steps done again")
    assert 0 < redone(tmp_path) <= 21, "no more than since the last checkpoint"
    require_same(training, undisturbed)


@pytest.mark.long
def test_a_worker_that_is_stuck_is_given_up_by_the_others(
    cluster, training, undisturbed, tmp_path, monkeypatch
):
    """It answers Ray, but does not come to where the others wait for it: they wait for so long, no longer."""
    monkeypatch.setattr(on_ray, "SILENCE_S", 10)
    with trained(training, TWO, tmp_path) as watch:
        wait_for(lambda: half_way(training, tmp_path), 200)
        (tmp_path / "stuck").touch()
        wait_for(lambda: not (tmp_path / "stuck").exists())
        time.sleep(1)
        before = len(steps(tmp_path))
        watch.start()
        watch.when("two workers train again", lambda: len(steps(tmp_path)) > before + 2, 200)
    print(f"{redone(tmp_path)} steps done again")
    assert 0 < redone(tmp_path) <= 21
    require_same(training, undisturbed)


def test_an_elastic_training_outlives_its_node_and_takes_up_a_new_one(
    cluster, training, undisturbed, tmp_path, monkeypatch
):
    """Two workers, then the one whose node was not killed, then two again."""
    monkeypatch.setattr(on_ray, "GROW_EVERY_S", 10.0)
    made, _, other = cluster
    with trained(training, ELASTIC, tmp_path) as watch:
        wait_for(lambda: half_way(training, tmp_path), 200)
        assert world(tmp_path) == 2
        made.remove_node(other, allow_graceful=False)
        watch.start()
        watch.when("the node is known to be dead", lambda: alive() == 1, 200)
        watch.when("one worker trains", lambda: world(tmp_path) == 1, 200)
        cluster[2] = made.add_node(num_cpus=1)
        watch.start()
        watch.when("two workers train again", lambda: world(tmp_path) == 2, 200)
    assert [workers for workers, _ in _runs(steps(tmp_path))] == [2, 1, 2]
    print(f"{redone(tmp_path)} steps of 25 images done again, of 240")
    sampled = {node_of(name).rpartition("-")[2] for name in training.run.system.names()}
    others = {other.node_id[:8], cluster[2].node_id[:8]}
    assert sampled == others, "the driver's node is not sampled twice"
    assert 0 < redone(tmp_path) <= 42, "no more than since the last checkpoint, twice"
    require_same(training, undisturbed)


def _stutter(worker: psutil.Process, over: threading.Event) -> None:
    with suppress(psutil.NoSuchProcess):
        while not over.wait(0.05):
            worker.suspend()
            time.sleep(0.2)
            worker.resume()


def _runs(made: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(workers, steps in a row)."""
    found: list[tuple[int, int]] = []
    for _, workers in made:
        if found and found[-1][0] == workers:
            found[-1] = (workers, found[-1][1] + 1)
        else:
            found.append((workers, 1))
    return found
