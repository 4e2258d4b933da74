"""A cluster whose autoscaler adds nodes when a job needs them; it starts them on the head's own host."""

import pytest
import yaml
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from faulty import TRAIN
from hosts import HOME, Host, hosts

pytestmark = pytest.mark.faults
GROWING = {
    "cluster_name": "growing",
    "max_workers": 2,
    "idle_timeout_minutes": 5,
    "provider": {
        "type": "external",
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
        "head_node_id": FAKE_HEAD_NODE_ID,
        "launch_multiple": True,
        "disable_node_updaters": True,
        "use_node_id_as_ip": True,  # for the older one, which else takes all nodes of a host for one
    },
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "auth": {},
    "file_mounts": {},
    "cluster_synced_files": [],
}
GROWING |= {f"{who}_commands": [] for who in ("initialization", "setup", "head_setup", "worker_setup")}
GROWING |= {f"{who}_start_ray_commands": [] for who in ("head", "worker")}
SHARED = "/mnt/preimage"
SPEC = TRAIN | {
    "results": f"{SHARED}/results",
    "training": TRAIN["training"] | {"total_images": 1_200, "sample_every": 600, "checkpoint_every": 600},
    "resources": {"cpus_per_worker": 2},
    "tracking": {"uri": "none"},
}


@pytest.fixture(scope="module", params=["newer", pytest.param("older", marks=pytest.mark.long)])
def head(request, tmp_path_factory):
    """A head without a CPU; its autoscaler, Ray's present or earlier one, can add two nodes of two."""
    shared = tmp_path_factory.mktemp("shared")
    environment = {
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "2",
        "RAY_enable_autoscaler_v2": "1" if request.param == "newer" else "0",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
        "RAY_NODE_TYPE_NAME": "ray.head.default",
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
    }
    with hosts(tmp_path_factory.mktemp("hosts"), ["head"], shared=shared, at=SHARED) as them:
        host = them["head"]
        host.path(f"{HOME}/growing.yaml").write_text(yaml.safe_dump(GROWING))
        host.path(f"{HOME}/spec.yaml").write_text(yaml.safe_dump(SPEC))
        start = "ray start --head --num-cpus=0 --disable-usage-stats --autoscaling-config=growing.yaml"
        host.run(start, **environment)
        yield host


def preimage(head: Host, arguments: str, check: bool = True) -> str:
    address = f"{head.address}:6379"
    return head.run(f"preimage {arguments}", check, timeout=300, RAY_ADDRESS=address, COLUMNS="200")


def test_a_job_waits_for_the_node_that_it_needs_and_ends_on_it(head):
    said = preimage(head, "run spec.yaml")
    assert "waiting for nodes: need 2 CPUs, have 0 CPUs" in said
    assert list(head.path(SHARED).glob("results/runs/train-gan-*/outcome.json"))


def test_more_than_it_can_grow_to_is_refused(head):
    """The job's node is still there. The older autoscaler first adds what it can, the newer one nothing."""
    said = preimage(head, f"run spec.yaml resources.workers=3 results={SHARED}/other", check=False)
    assert "3 workers need 6 CPUs but the cluster has 2" in said
    assert "Traceback" not in said
