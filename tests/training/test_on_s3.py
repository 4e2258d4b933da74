"""Ray's own files where results are in a bucket: a server that only the address names."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from preimage.storage.folder import Folder
from s3 import require_whole_addresses, texts, with_options
from shell import SPEC
from studies import LEARNING_RATES

RUN = """
import json, sys
import preimage as pi
for spec in json.load(open(sys.argv[1])):
    print(json.dumps(pi.run(spec).plain()), flush=True)
"""


@pytest.mark.faults
def test_ray_trains_and_tunes_in_a_bucket(s3, s3_server, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    root = with_options(s3, s3_server)
    train = yaml.safe_load(SPEC) | {"resources": {"backend": "ray", "gpu": False}, "results": root.uri}
    trial = {key: part for key, part in LEARNING_RATES["trial"].items() if key != "resources"}
    trial["resources"] = {"backend": "ray", "gpu": False}
    study = LEARNING_RATES | {"trial": trial, "trials": 2, "scheduler": {"name": "none"}}
    study |= {"results": root.uri, "tracking": {"uri": "none"}}
    (tmp_path / "specs.json").write_text(json.dumps([train, study]))
    command = [sys.executable, "-c", RUN, str(tmp_path / "specs.json")]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    trained, studied = map(json.loads, done.stdout.strip().splitlines()[-2:])
    assert (Folder.at(trained["folder"]) / "checkpoints").names()
    assert studied["metrics"]["complete"] == 2
    assert not [name for name in texts(root) if "/ray/" in name], "Ray's own files are gone"
    require_whole_addresses(root, [*texts(root).values(), done.stdout])
