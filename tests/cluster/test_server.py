"""What a process knows of its object storage's server, its workers know; credentials stay where they are."""

import pickle
import subprocess
from subprocess import list2cmdline

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.cluster import connect
from preimage.cluster.ray_jobs import plain_command, runtime_env
from preimage.cluster.submissions import create
from preimage.errors import PreimageError
from preimage.library.submit import plan_submission
from preimage.storage.address import SERVER
from preimage.storage.folder import Folder
from shell import SPEC
from submitted import RECORD

ADDRESS = "s3://bucket/res?endpoint_override=http://127.0.0.1:1&scheme=http&region=us-east-1"
SERVER_HERE = {"AWS_ENDPOINT_URL": "http://minio:9000", "AWS_REGION": "eu-1"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*SERVER, "PREIMAGE_SUBMISSION", "PREIMAGE_CODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-aws")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k3y-of-aws")


def test_workers_are_told(monkeypatch):
    assert connect._environment() is None
    for name, value in SERVER_HERE.items():
        monkeypatch.setenv(name, value)
    assert connect._environment() == {"env_vars": SERVER_HERE}
    submission = create(Folder.at(ADDRESS), "demo")
    told = runtime_env(submission, [])["env_vars"]
    assert told.items() >= SERVER_HERE.items()
    assert told["PREIMAGE_SUBMISSION"] == submission.folder.uri
    assert "k3y-of-aws" not in str(told)
    monkeypatch.setenv("PREIMAGE_SUBMISSION", submission.folder.uri)
    assert connect._environment() is None, "they have it from the job"


def test_a_server_that_changed_since_ray_was_started_is_refused(monkeypatch):
    monkeypatch.setattr(connect, "_told", [{}])
    connect._require_same_server()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    with pytest.raises(PreimageError, match="AWS_ENDPOINT_URL changed since Ray was started"):
        connect._require_same_server()


def test_a_folder_takes_no_credentials_to_another_process(tmp_path, monkeypatch):
    folder = Folder.at(ADDRESS)
    assert b"k3y-of-aws" not in pickle.dumps(folder)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    profile = tmp_path / "credentials"
    profile.write_text("[default]\naws_access_key_id = key\naws_secret_access_key = s3cret-of-profile\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
    sent = pickle.dumps(Folder.at(ADDRESS))
    assert b"s3cret-of-profile" not in sent
    assert pickle.loads(sent).uri == ADDRESS


def test_what_is_submitted_again_where_another_server_is_named_is_said(tmp_path, monkeypatch, caplog):
    record = RECORD | {"id": "demo-1", "server": SERVER_HERE}
    folder = Folder.at(tmp_path) / "submissions" / "demo-1"
    folder.write_json("submission.json", record)
    folder.write("spec.yaml", SPEC.encode())
    plan_submission("demo-1", results=str(tmp_path))
    assert "was submitted where AWS_ENDPOINT_URL=http://minio:9000, AWS_REGION=eu-1; here no" in caplog.text
    caplog.clear()
    for name, value in SERVER_HERE.items():
        monkeypatch.setenv(name, value)
    plan_submission("demo-1", results=str(tmp_path))
    assert not caplog.text


def test_commands_about_a_submission_find_it_with_its_server():
    submission = create(Folder.at(ADDRESS), "demo")
    assert submission.command("stop") == f"preimage stop {submission.id} --results '{ADDRESS}'"


def read_by_sh(line: str) -> list[str]:
    """The words that a program called `show` is given."""
    shown = "show() { for each do printf '%s\\0' \"$each\"; done; }"
    done = subprocess.run(["sh", "-c", f"{shown}; {line}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@settings(max_examples=30)
@given(st.lists(st.text("ab/?&=$`'#;*[](){}|<>!~\"%:é", min_size=1)), st.booleans())
def test_rays_own_command_line_runs_what_was_meant(words, spaced):
    """As Ray joins the words of its command line, and as the cluster's shell reads them."""
    words = [*words, ADDRESS, *(['/it\'s a "path"/$x`y`/a.yaml'] if spaced else [])]
    plain = plain_command("http://head:8265", {"env_vars": {}}, words)
    to_ray = read_by_sh(plain.replace("ray", "show", 1))
    assert read_by_sh(f"show {list2cmdline(to_ray[to_ray.index('--') + 1 :])}") == words
