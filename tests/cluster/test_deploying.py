"""The files of docs/deploying.md, as far as they can be checked without what they are for."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "deploying.md").read_text(), re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


@pytest.mark.parametrize("script", [*blocks("bash"), *blocks("sh")])
def test_scripts_are_bash(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_every_node_has_the_tested_ray_a_token_and_the_same_results():
    tested = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert tested
    assert f"FROM rayproject/ray:{tested[1]}-py312\n" in blocks("dockerfile")[0]
    cluster, job = (yaml.safe_load(text) for text in blocks("yaml"))
    assert cluster["spec"]["rayVersion"] == tested[1]
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    nodes = [group["template"]["spec"] for group in groups]
    assert len({str(node["volumes"]) for node in nodes}) == 1
    for node in nodes:
        (container,) = node["containers"]
        assert {"name": "PREIMAGE_RESULTS", "value": "/results"} in container["env"]
        assert container["volumeMounts"] == [{"name": "results", "mountPath": "/results"}]
    assert job["spec"]["clusterSelector"]["ray.io/cluster"] == cluster["metadata"]["name"]
    assert "RAY_AUTH_MODE=token" in blocks("bash")[0]
