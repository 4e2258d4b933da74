"""cluster-local.yaml as a user runs it: `ray up` over SSH onto three hosts, a job, `ray down`."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from faulty import TRAIN, wait_for
from hosts import HOME, KEY, REPOSITORY, Host, hosts

pytestmark = [pytest.mark.faults, pytest.mark.long]
NODES = ["head", "one", "two"]
SHARED = "/mnt/preimage"
FILE = f"{HOME}/cluster-local.yaml"
LOCALLY = "http://127.0.0.1:8265"
SPEC = TRAIN | {
    "training": TRAIN["training"] | {"total_images": 1_200, "sample_every": 600, "checkpoint_every": 600},
    "resources": {"workers": 2, "cpus_per_worker": 2, "gpu": False},  # each takes all of a host
}


@dataclass
class Site:
    """The hosts, the shared folder as this process sees it, and what `ray up` printed."""

    hosts: dict[str, Host]
    shared: Path
    said: str

    def laptop(self, command: str, check: bool = True, timeout: float = 300, **environment: str) -> str:
        """In the repository, as an operator with the token."""
        settings = {"RAY_AUTH_MODE": "token", "PREIMAGE_RESULTS": f"{SHARED}/results", "COLUMNS": "200"}
        where = f"cd {REPOSITORY}; {command}"
        return self.hosts["laptop"].run(where, check, timeout, **(settings | environment))

    def left(self) -> list[str]:
        lines = [line for name in NODES for line in self.hosts[name].processes()]
        return [line for line in lines if any(word in line for word in ("ray", "mlflow", "preimage"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    with hosts(tmp_path_factory.mktemp("hosts"), [*NODES, "laptop"], shared=shared, at=SHARED) as them:
        for name in NODES:  # machines that have all packages but this one: nothing can be downloaded here
            them[name].run(f"mkdir preimage; ln -s {sys.prefix} preimage/env")
        them["laptop"].path(FILE).write_text(yaml.safe_dump(filled_in(them)))
        here = Site(them, shared, "")
        here.laptop("umask 077; ray get-auth-token --generate > /dev/null", RAY_AUTH_MODE="")
        began = time.monotonic()
        here.said = here.laptop(f"ray up --yes {FILE}", timeout=600)
        print(f"ray up: {time.monotonic() - began:.0f} s")
        wait_for(lambda: " 3 local.cluster.node" in status(here), 300)
        print(f"all nodes: {time.monotonic() - began:.0f} s")
        tunnel = f"ray dashboard {FILE}"
        them["laptop"].start(f"cd {REPOSITORY}; {tunnel}", shared / "tunnel.log", RAY_AUTH_MODE="token")
        wait_for(lambda: "ok" in here.laptop(f"curl -s {LOCALLY}/api/version || echo no; echo ok"), 60)
        yield here


def filled_in(them: dict[str, Host]) -> dict:
    """The repository's file with what it asks its reader to fill in."""
    config = yaml.safe_load((REPOSITORY / "cluster-local.yaml").read_text())
    workers = [them[name].address for name in NODES[1:]]
    config["provider"] |= {"head_ip": them["head"].address, "worker_ips": workers}
    config["auth"] = {"ssh_user": "root", "ssh_private_key": KEY}
    return config


def status(site: Site) -> str:
    return site.laptop(f"ray exec {FILE} 'ray status'", check=False)


def test_every_host_runs_the_package_that_was_sent(site):
    for name in NODES:
        where = "preimage/env/bin/python -c 'import preimage; print(preimage.__file__)'"
        assert "site-packages" in site.hosts[name].run(where), "installed there, and no longer the checkout"
        assert "drwx------" in site.hosts[name].run("ls -ld .ray")
        assert "-rw-------" in site.hosts[name].run("ls -l .ray/auth_token")
    assert " 3 local.cluster.node" in status(site)


def test_strangers_are_refused(site):
    token = site.laptop(f"cat {HOME}/.ray/auth_token").strip()
    assert len(token) > 30
    for mode in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "wrong"}):
        said = site.laptop(f"ray job list --address {LOCALLY}", check=False, **mode)
        assert "AuthenticationError" in said, said
        said = site.laptop("timeout 60 ray status --address head:6379", check=False, **mode)
        assert "Resources" not in said, "Ray's own port is open to the hosts' network"
    assert "Resources" in site.laptop("ray status --address head:6379")
    assert site.laptop("curl -s http://head:8265/ || echo refused").endswith("refused\n"), "loopback alone"
    assert token not in site.said
    for name in NODES:
        assert not site.hosts[name].processes(token), "the token stands on no command line"
        found = site.hosts[name].run(
            f"grep -rslF {token} /tmp preimage .bashrc ray_bootstrap_config.yaml", check=False
        )
        assert not found.strip(), "nor in a log"


def test_mlflow_answers_on_the_head_for_its_own_name_alone(site):
    head = site.hosts["head"].address
    code = "curl -s -o /dev/null -w '%{http_code}'"
    assert site.laptop(f"{code} http://{head}:5000/health") == "200"
    assert site.laptop(f"{code} -H 'Host: elsewhere.example' http://{head}:5000/") == "403"
    assert site.hosts["head"].run(f"{code} http://127.0.0.1:5000/health", check=False) == "000"


def test_a_job_from_the_laptop_ends_on_the_shared_folder(site):
    (site.shared / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    began = time.monotonic()
    said = site.laptop(f"preimage submit {SHARED}/spec.yaml --follow", timeout=600)
    print(f"the job: {time.monotonic() - began:.0f} s")
    (run,) = site.shared.glob("results/runs/train-gan-*")
    assert (run / "generator/weights.safetensors").exists(), said
    assert (run / "outcome.json").exists()
    assert list(site.shared.glob("mlflow/**/*.png")), "its pictures lie with MLflow's server"
    answer = site.laptop(
        "curl -s -X POST -H 'Content-Type: application/json' -d '{\"max_results\": 10}' "
        f"http://{site.hosts['head'].address}:5000/api/2.0/mlflow/experiments/search"
    )
    assert '"name"' in answer


def test_ray_down_leaves_nothing_behind(site):
    assert site.left()
    began = time.monotonic()
    site.laptop(f"ray down --yes {FILE}")
    print(f"ray down: {time.monotonic() - began:.0f} s")
    wait_for(lambda: not site.left(), 90)
    print(f"nothing left: {time.monotonic() - began:.0f} s")
