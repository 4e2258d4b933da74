"""A driver whose cluster's head dies: Ray ends it without a word, so we say it before."""

import subprocess
import sys
import time

import pytest

from faulty import wait_for
from nodes import nodes

DRIVER = """
import logging, time
logging.basicConfig(format="%(message)s")
from preimage.cluster.connect import connect
connect()
print("connected", flush=True)
time.sleep(600)
"""


@pytest.mark.faults
@pytest.mark.long
def test_a_driver_whose_head_is_killed_says_so_before_it_ends(monkeypatch):
    import ray

    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "30")  # 60 by itself
    with nodes(monkeypatch, [1]) as (_, head):
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert driver.stdout
        assert driver.stdout.readline() == "connected\n"
        ray.shutdown()  # or it would end this process too
        head.kill_gcs_server()
        begin = time.monotonic()
        wait_for(lambda: driver.poll() is not None, 120)
        print(f"{time.monotonic() - begin:.1f} s until Ray ended the driver, with {driver.returncode}")
        said = driver.communicate()[1]
    assert driver.returncode == 1
    assert said.count("does not answer") == 1
    assert "run the same command again" in said
