"""cluster.yaml and cluster-local.yaml: by Ray's own schema, and by what this repository promises of them."""

import re
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from hosts import REPOSITORY

NAMES = ["cluster.yaml", "cluster-local.yaml"]
COMMANDS = ["setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"]


@pytest.fixture(params=NAMES)
def text(request) -> str:
    return (REPOSITORY / request.param).read_text()


def commands(text: str) -> list[str]:
    config = yaml.safe_load(text)
    return [command for each in COMMANDS for command in config.get(each, [])]


def started(text: str, who: str) -> str:
    return "\n".join(yaml.safe_load(text)[f"{who}_start_ray_commands"])


def test_ray_takes_it(text):
    validate_config(prepare_config(yaml.safe_load(text)))


def test_rays_schema_would_refuse_a_slip(text):
    with pytest.raises(Exception, match="Additional properties"):
        validate_config(prepare_config(yaml.safe_load(text) | {"setup_comands": []}))


def test_every_value_to_fill_in_is_marked_and_nothing_else_is_ours(text):
    assert "FILL IN" in text
    for line in text.splitlines():
        made_up = re.search(
            r"192\.168|FILL-IN|us-west-2|ssh_user|id_ed25519|/mnt/|(max|min)_workers: [1-9]", line
        )
        if made_up and not line.strip().startswith(("#", "--artifacts-destination", "Arn:")):
            assert "FILL IN" in line or "ssh_user: ubuntu" in line, line
    assert not re.search(r"/work|/root|/tmp|https?://(?!\$|127\.0\.0\.1)", text), "a place of one machine"
    for line in text.splitlines():
        assert len(line) <= 120, line


def test_what_is_copied_is_there_and_all_that_is_installed(text):
    mounts = yaml.safe_load(text)["file_mounts"]
    sources = [each for each in mounts.values() if not each.startswith("~")]
    assert sorted(sources) == ["README.md", "constraints.txt", "platform", "pyproject.toml"]
    assert all((REPOSITORY / each).exists() for each in sources)
    installs = [each for each in commands(text) if "pip install" in each]
    assert len(installs) >= 2
    for each in installs:
        assert "--constraint ~/preimage/constraints.txt" in each or re.search(r"boto3==\d", each), each
    assert "\nsetuptools==" in (REPOSITORY / "constraints.txt").read_text()
    assert any('--no-build-isolation "$HOME/preimage[platform]"' in each for each in installs), (
        "nothing is fetched to build it"
    )


def test_the_token_travels_as_a_file_and_is_asked_of_everybody(text):
    mounts = yaml.safe_load(text)["file_mounts"]
    assert mounts["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("chmod 600 ~/.ray/auth_token" in each for each in commands(text))
    assert any("export RAY_AUTH_MODE=token" in each for each in commands(text))
    assert not any("RAY_AUTH_TOKEN" in each for each in commands(text))
    assert "umask 077; ray get-auth-token --generate" in text


def test_servers_listen_no_further_than_they_must(text):
    head = started(text, "head")
    assert "--dashboard-host=127.0.0.1" in head
    assert "0.0.0.0" not in text
    assert "mlflow server --host $address" in head
    assert "--allowed-hosts $address:5000,localhost:5000,127.0.0.1:5000" in head
    assert "--disable-security" not in head
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in head


@pytest.mark.parametrize("who", ["head", "worker"])
def test_jobs_find_mlflow_and_choose_their_own_threads(text, who):
    assert "export MLFLOW_TRACKING_URI=http://$" in started(text, who)
    assert "unset OMP_NUM_THREADS" in started(text, who)
    assert "RAY_USAGE_STATS_ENABLED=0" in started(text, who)


def test_gpu_workers_come_and_go_by_themselves():
    config = yaml.safe_load(Path(REPOSITORY / "cluster.yaml").read_text())
    kinds = config["available_node_types"]
    assert kinds["head"]["resources"] == {"CPU": 0, "GPU": 0}
    assert kinds["gpu"]["min_workers"] == 0 < kinds["gpu"]["max_workers"] <= config["max_workers"]
