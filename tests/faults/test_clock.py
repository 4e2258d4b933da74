"""A pipeline on two hosts whose clocks differ by two hours: nothing of ours compares two clocks."""

import time
from datetime import datetime

import pytest
import torch
import yaml

from faulty import INVERT, TRAIN, planned
from hosts import HOME, hosts
from preimage.latents.verify import verify
from preimage.pipelines.execute import execute
from stores import store_of

pytestmark = [pytest.mark.faults, pytest.mark.long]
AHEAD = 7_200
STEPS = {
    "train": {
        "job": "train-glo",
        "data": TRAIN["data"],
        "model": {"latent_dim": 6, "base_channels": 8},
        "optimizer": {"name": "sgd", "lr": 0.02},
        "training": TRAIN["training"] | {"total_images": 2_400, "log_every": 240, "checkpoint_every": 1_200},
    },
    "codes": INVERT,
}
NODE = "--num-cpus=1 --disable-usage-stats"
ASK = """
import time
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
ray.init(log_to_driver=False)
ask = ray.remote(num_cpus=0)(lambda: time.time())
for node in ray.nodes():
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    print(node["NodeName"], ray.get(ask.options(scheduling_strategy=there).remote()), flush=True)
"""


@pytest.fixture
def head(tmp_path):
    """Of two hosts, a worker each, the driver's; its clock, its Ray's and its worker's is ahead."""
    workers_too = {"RAY_LD_PRELOAD_ON_WORKERS": "1"}  # Ray keeps what shifts the clock from them otherwise
    with hosts(tmp_path / "hosts", ["head", "other"], tmp_path, clocks={"head": AHEAD}) as them:
        first, other = them["head"], them["other"]
        first.run(f"ray start --head --port=6379 --node-ip-address={first.address} {NODE}", **workers_too)
        joins = f"ray start --address={first.address}:6379 --node-ip-address={other.address} {NODE}"
        other.run(joins, **workers_too)
        first.path(f"{HOME}/ask.py").write_text(ASK)
        lines = [line.split() for line in first.run("python ask.py", RAY_ADDRESS="auto").splitlines()]
        told = {line[0]: ahead(float(line[1])) for line in lines if len(line) == 2}
        assert told == {first.address: AHEAD, other.address: 0}, "as Ray's workers there see it"
        assert [ahead(float(host.run("date +%s"))) for host in (first, other)] == [AHEAD, 0]
        yield first


def ahead(seconds: float) -> int:
    """Of the true time, to the minute."""
    return round((seconds - time.time()) / 60) * 60


def test_nothing_is_lost_on_hosts_whose_clocks_differ(head, tmp_path):
    """The curve and the codes of one process, up to rounding; then the inversion to the byte."""
    plan = planned(tmp_path / "results", STEPS, backend="ray", workers=2)
    head.path(f"{HOME}/spec.yaml").write_text(yaml.safe_dump(plan.spec.resolved(), sort_keys=False))
    begin = time.monotonic()
    said = head.run("preimage run spec.yaml", timeout=200, RAY_ADDRESS=f"{head.address}:6379", COLUMNS="200")
    print(f"{time.monotonic() - begin:.0f} s for the pipeline")
    assert "Traceback" not in said
    created = datetime.fromisoformat(plan.run.about()["created"]).timestamp()
    assert created - time.time() > AHEAD / 2, "the driver's clock was ahead, and the run says what it said"
    calm = planned(tmp_path / "calm", STEPS)
    execute(calm)
    for here, there in zip(*(each.steps[0].run.curve("loss") for each in (plan, calm)), strict=True):
        assert here[0] == there[0]
        assert here[1] == pytest.approx(there[1], rel=2e-3)
    for number in (0, 1):
        found, expected = (store_of(each.steps[number].run) for each in (plan, calm))
        assert verify(found.folder).count == 400
        assert torch.equal(found.head(400).image_id, expected.head(400).image_id)
    assert torch.allclose(*(store_of(each.steps[0].run).head(400).z for each in (plan, calm)), atol=5e-3)
    again = planned(
        tmp_path / "again",
        {"codes": INVERT | {"generator": str(plan.steps[0].run.product("generator").local)}},
    )
    execute(again)
    made, remade = (store_of(each.run).fingerprint for each in (plan.steps[1], again.steps[0]))
    assert made == remade
