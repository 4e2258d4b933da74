"""Whole jobs on a real S3 server: killed in the middle, resumed by another process, and compared with those
that nothing disturbed, on a disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import preimage
from faulty import wait_for
from preimage.cli.main import app
from preimage.cluster import ray_jobs
from preimage.cluster import status as cluster_status
from preimage.runs.checkpoints import committed
from preimage.storage.folder import Folder

DEMO = Path(__file__).parents[2] / "jobs" / "demo.yaml"
SMALL = [
    "train.data.max_images=400",
    "train.model.base_channels=8",
    "train.training.total_images=1920",
    "train.training.checkpoint_every=640",
    "train.training.log_every=640",
    "invert.inversion.steps=30",
    "invert.inversion.patience=null",
    "invert.inversion.batch_size=16",
    "glo.model.base_channels=8",
    "glo.training.total_images=640",
    "resources={backend: local, cpus_per_worker: 1}",
    "train.resources.checkpoint_seconds=0",
    "tracking.uri=none",
]
STUDY = {
    "name": "rates",
    "objectives": {"reconstruction_error": "minimize"},
    "trials": 3,
    "sampler": {"name": "grid"},
    "space": {"optimizer.lr": {"choice": [0.01, 0.02, 0.05]}},
    "tracking": {"uri": "none"},
    "trial": {
        "job": "train-glo",
        "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 120},
        "model": {"latent_dim": 4, "base_channels": 8},
        "training": {"total_images": 1_200, "batch_size": 60, "log_every": 600, "checkpoint_every": 600},
        "resources": {"backend": "local", "gpu": False, "checkpoint_seconds": 0},
    },
}


@pytest.fixture
def results(s3, s3_server, monkeypatch) -> str:
    """An address that says all of the server, with nothing of it in the environment."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_REGION")
    return f"{s3.uri}/some results?endpoint_override={s3_server}&region=us-east-1"


def killed_when(process: subprocess.Popen, reached) -> None:
    """Kill a process once something is reached, which is before its end."""
    try:
        wait_for(lambda: reached() or process.poll() is not None)
        assert process.poll() is None, process.stdout and process.stdout.read()
    finally:
        process.kill()
        process.wait()


def test_a_study_is_killed_between_trials_and_ends_as_on_a_disk(results, tmp_path):
    spec = tmp_path / "study.yaml"
    spec.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    runs = Folder.at(results) / "runs"
    killed_when(
        subprocess.Popen([sys.executable, "-m", "preimage", "run", str(spec), "--results", results]),
        lambda: any((runs / name / "trials").names() for name in runs.names()),
    )
    ended, calm = (preimage.run(spec, results=each) for each in (results, str(tmp_path / "calm")))
    assert ended.metrics == calm.metrics
    assert ended.metrics["complete"] == 3


class Cluster:
    """Runs what is submitted as Ray would: as a process of its own, with the environment that it is given."""

    address = "http://head:8265"
    processes: list[subprocess.Popen] = []  # noqa: RUF012

    def __init__(self, address: str) -> None: ...

    def submit(self, submission, entrypoint: str, environment: dict) -> None:
        there = os.environ | environment["env_vars"]
        words = entrypoint.replace("python", sys.executable, 1)
        self.processes.append(subprocess.Popen(["sh", "-c", f"exec {words}"], env=there))

    def status(self, submission_id: str) -> str:
        return "RUNNING" if self.processes[-1].poll() is None else "FAILED"

    def details(self, submission_id: str) -> ray_jobs.Details:
        return ray_jobs.Details(self.status(submission_id), "", None)


def test_a_demo_that_is_submitted_and_killed_twice_ends_as_on_a_disk(results, tmp_path, monkeypatch):
    """In its training and in its inversion; each submission resumes what the one before it left."""
    monkeypatch.setattr(ray_jobs, "Jobs", Cluster)
    monkeypatch.setattr(cluster_status, "Jobs", Cluster)
    runs = Folder.at(results) / "runs"

    def part(kind: str) -> list[Folder]:
        return [runs / name for name in runs.names() if name.startswith(kind)]

    first = preimage.submit(DEMO, Cluster.address, SMALL, "small", results=results)
    killed_when(
        Cluster.processes[-1], lambda: any(committed(each / "checkpoints") for each in part("train-gan"))
    )
    second = preimage.submit(first.id, Cluster.address, results=results)
    killed_when(
        Cluster.processes[-1],
        lambda: any("_part-00002.json" in (each / "store").names() for each in part("invert")),
    )
    last = preimage.submit(second.id, Cluster.address, results=results)
    ended = last.wait()
    assert ended.folder == last.run.folder.uri
    assert "invert (invert): invert-" in last.logs()

    calm = preimage.run(DEMO, SMALL, profile="small", results=str(tmp_path))
    for name in ("train.generator_loss", "invert.reconstruction_error", "pag.pag"):
        assert ended.metrics[name] == calm.metrics[name]
    stores = [preimage.Store.open(each.products["invert.store"]) for each in (ended, calm)]
    assert stores[0].fingerprint == stores[1].fingerprint
    verified = CliRunner().invoke(app, ["store", "verify", ended.products["invert.store"]])
    assert verified.exit_code == 0, verified.output
    assert "300" in verified.output
