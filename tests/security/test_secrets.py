"""Passwords and keys: refused where they do not belong, and found in nothing that a run leaves."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml

from preimage.errors import PreimageError, SpecError, StorageError, TrackingError
from preimage.specs.load import loads
from preimage.specs.study import loads_study
from preimage.storage.credentials import refusal
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from shell import SPEC, Shell
from studies import GRID

SECRET = "hunter2/XyZ"
ADDRESSES = {
    f"http://anna:{SECRET}@mlflow.example:5000": "MLFLOW_TRACKING_PASSWORD",
    f"https://:{SECRET}@mlflow.example": "MLFLOW_TRACKING_USERNAME",
    f"postgresql://anna:{SECRET}@db/mlflow": "the server",
    f"s3://AKIAEXAMPLE:{SECRET}@bucket/results": "AWS_SECRET_ACCESS_KEY",
    f"s3://bucket/results?region=x&secret_key={SECRET}": "AWS_SECRET_ACCESS_KEY",
    f"gs://bucket/results?access_token={SECRET}": "GOOGLE_APPLICATION_CREDENTIALS",
    f"abfs://account:{SECRET}@host/container": "the server",
}
FINE = (
    "http://127.0.0.1:5000",
    "s3://bucket/folder?region=eu-1&endpoint_override=http%3A%2F%2Fminio%3A9000",
    "gs://anonymous@bucket/a",
    "hdfs://anna@host:9000/a",
    "/home/anna/a:b@c",
    "s3://bucket/run@2026:10",
    "sqlite:////tmp/mlflow.db",
    "results",
)


@pytest.mark.parametrize("address", FINE)
def test_an_address_without_a_secret_is_one(address):
    assert refusal(address) is None


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", ["tracking.uri", "results", "data.path"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(address, key, monkeypatch, capsys, tmp_path):
    value = yaml.safe_load(SPEC)
    head, _, last = key.partition(".")
    (value.setdefault(head, {}) if last else value)[last or head] = address
    text = yaml.safe_dump(value, width=1000)
    attempts = [
        lambda: loads(text, "a.yaml", "a"),
        lambda: loads(SPEC, "a.yaml", "a", None, [f"{key}={address}"]),
        lambda: loads(SPEC, "a.yaml", "a", None, [f"{key}: {address}"]),
        lambda: loads(SPEC + f"profiles: {{x: {{{key}: '{address}'}}}}", "a.yaml", "a", None),
        lambda: loads_study(yaml.safe_dump(GRID | {"trial": value}, width=1000), "a.yaml", "a"),
        lambda: loads_study(yaml.safe_dump(GRID), "a.yaml", "a", None, [f"trial.{key}={address}"]),
    ]
    for attempt in attempts:
        with pytest.raises(SpecError) as error:
            attempt()
        assert SECRET not in str(error.value)
        assert ADDRESSES[address] in str(error.value)
    (tmp_path / "a.yaml").write_text(text)
    for said in (
        Shell(monkeypatch, capsys)(verb, *rest)
        for verb, *rest in (("run", tmp_path / "a.yaml"), ("plan", address))
    ):
        assert said.code == 2
        assert SECRET not in said.out + said.err


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_folder_and_no_tracker_is_opened_with_a_secret(address, monkeypatch):
    with pytest.raises(StorageError) as error:
        Folder.at(address)
    assert SECRET not in str(error.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI") as missing:
        _ = TrackingConfig(uri="auto").here
    assert SECRET not in str(missing.value)


def test_a_mistake_beside_a_secret_does_not_repeat_it():
    for line in (
        f"trakcing: {{uri: 'http://a:{SECRET}@b'}}",
        f"job: 'http://a:{SECRET}@b'",
        f"a: ['http://a:{SECRET}@b'",
    ):
        with pytest.raises(PreimageError) as error:
            loads(f"{SPEC.replace('job: train-gan', '')}{line}", "a.yaml", "a")
        assert SECRET not in str(error.value)


SECRETS = {
    "MLFLOW_TRACKING_PASSWORD": "p4ssw0rd-of-mlflow",
    "MLFLOW_TRACKING_USERNAME": "user-of-mlflow-secret",
    "MLFLOW_TRACKING_TOKEN": "t0ken-of-mlflow",
    "RAY_AUTH_TOKEN": "t0ken-of-ray-0123456789abcdef",
    "AWS_SECRET_ACCESS_KEY": "k3y-of-aws",
    "AWS_SESSION_TOKEN": "s3ssion-of-aws",
}


def test_nothing_that_a_run_leaves_or_shows_holds_a_secret(tmp_path):
    """Results, MLflow's database and artifacts, what is printed, and the command lines of its processes."""
    (tmp_path / "a.yaml").write_text(SPEC.replace("{uri: none}", "{uri: local}"))
    command = [
        sys.executable,
        "-m",
        "preimage",
        "run",
        "a.yaml",
        "training.total_images=96",
        "training.sample_every=48",
    ]
    shown: set[str] = set()
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | SECRETS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for each in psutil.process_iter(["cmdline"]):
                shown.add(" ".join(each.info["cmdline"] or ()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        printed, _ = process.communicate(timeout=120)
    finally:
        over.set()
        watcher.join()
    assert process.returncode == 0, printed.decode()
    left = {path: path.read_bytes() for path in Path(tmp_path).rglob("*") if path.is_file()}
    assert {"mlflow.db", "outcome.json", "spec.yaml"} <= {path.name for path in left}
    assert any("mlartifacts" in str(path) for path in left)
    assert any("preimage run a.yaml" in line for line in shown)
    for name, secret in SECRETS.items():
        assert secret.encode() not in printed
        assert not [path for path, data in left.items() if secret.encode() in data], name
        assert not [line for line in shown if secret in line], name
    assert time.time() - min(path.stat().st_mtime for path in left) < 200
