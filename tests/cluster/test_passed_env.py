"""Variables that are passed to a job: what its processes do with them. Real ones are in test_submit.py."""

import json
import os

import pytest

from preimage.cluster import passed_env
from preimage.cluster.ray_jobs import runtime_env
from preimage.cluster.submissions import create
from preimage.errors import PreimageError
from preimage.storage.address import inside

HELD = passed_env.packed({"HF_TOKEN": "v4lue"})


class Head:
    """Stands in for the memory of a cluster's head."""

    def __init__(self, held):
        self.held, self.key = held, b""

    def internal_kv_get(self, key, namespace):
        self.key = key
        return self.held

    def internal_kv_del(self, key, by_prefix, namespace):
        assert key == self.key
        self.held = None


@pytest.fixture
def head(monkeypatch):
    made = Head(HELD)
    monkeypatch.setattr(passed_env, "_head", lambda: made)
    monkeypatch.setenv("PREIMAGE_SUBMISSION", "s3://bucket/submissions/demo-1?region=x")
    monkeypatch.setenv("PREIMAGE_ENV", "HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "of this machine")
    monkeypatch.delenv("HF_TOKEN")
    return made


def test_a_job_takes_them_from_the_head_which_forgets_them_at_its_end(head):
    passed_env.receive_first()
    assert os.environ["HF_TOKEN"] == "v4lue"
    assert head.key == b"gcs://preimage_env_demo-1.zip"
    passed_env.forget()
    assert head.held is None


@pytest.mark.parametrize("held", [None, passed_env.packed({})])
def test_a_job_whose_variables_are_gone_does_not_begin(head, held):
    head.held = held
    with pytest.raises(PreimageError, match="does not have the values of HF_TOKEN.*preimage submit"):
        passed_env.receive_first()


def test_a_job_without_any_asks_nobody(head, monkeypatch):
    monkeypatch.delenv("PREIMAGE_ENV")
    passed_env.receive_first()
    passed_env.forget()
    assert head.key == b""


def test_what_ray_is_told_holds_names_alone_and_its_hook_is_there(folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "v4lue")
    submission = create(folder, "demo")
    told = runtime_env(submission, [], env=["HF_TOKEN", "MORE"])
    assert told["env_vars"]["PREIMAGE_ENV"] == "HF_TOKEN,MORE"
    module, _, function = told["worker_process_setup_hook"].rpartition(".")
    assert (module, function) == (passed_env.__name__, passed_env.receive.__name__)
    assert "v4lue" not in json.dumps(told)
    assert "worker_process_setup_hook" not in runtime_env(submission, [])


def test_of_what_ray_logs_when_it_cannot_keep_them_nothing_is_a_value():
    """The first 15 bytes, as Ray 2.60 does."""
    assert b"v4" not in HELD[:15]
    assert HELD.index(b"HF_TOKEN") > 15
    assert inside("a", passed_env.package("demo-1")).endswith(".zip")
