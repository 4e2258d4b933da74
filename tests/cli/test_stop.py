"""Stopping a run by Ctrl-C or SIGTERM: one line, nothing lost, and MLflow knows."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from faulty import TRAIN, planned, wait_for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_so_and_goes_on_later(tmp_path, number):
    long = TRAIN | {"training": TRAIN["training"] | {"total_images": 10_000_000}}
    plan = planned(tmp_path, {"train": long}, tracking="jsonl")
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(plan.spec.resolved(), sort_keys=False))
    driver = subprocess.Popen(
        [sys.executable, "-m", "preimage", "run", str(spec)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env=os.environ | {"COLUMNS": "200"},
    )
    wait_for(lambda: (plan.steps[0].run.progress() or {"done": 0})["done"] > 0)
    driver.send_signal(number)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130, said
    assert "Run the same command again to resume" in said
    assert f"  preimage run {spec}  # resume" in said
    assert f"  preimage report {plan.run.name} " in said
    assert "Traceback" not in said
    assert not plan.steps[0].run.outcome()
    run_id = plan.steps[0].run.folder.read_json("run.json")["mlflow_run_id"]
    lines = (tmp_path / "tracking" / f"{run_id}.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["end"] == "KILLED"
