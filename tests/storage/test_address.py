"""Addresses that a user gives."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.errors import StorageError
from preimage.storage.address import (
    SERVER,
    command,
    expanded,
    inside,
    name_of,
    results_root,
    server_variables,
    split_options,
)
from preimage.storage.folder import Folder
from preimage.storage.host_info import submission_id


def test_the_results_root_is_what_the_command_says_then_the_spec_then_the_variable(monkeypatch):
    monkeypatch.delenv("PREIMAGE_RESULTS", raising=False)
    assert results_root() == "results"
    monkeypatch.setenv("PREIMAGE_RESULTS", "")
    assert results_root() == "results"
    monkeypatch.setenv("PREIMAGE_RESULTS", "/from/variable")
    assert results_root() == "/from/variable"
    assert results_root(spec="/from/spec") == "/from/spec"
    assert results_root("/from/option", "/from/spec") == "/from/option"


def test_a_command_names_a_root_only_where_it_would_not_be_found(monkeypatch):
    monkeypatch.setenv("PREIMAGE_RESULTS", "/from/variable")
    assert command("preimage", "ui", results="/from/variable") == "preimage ui"
    assert command("preimage", "ui", results="results") == "preimage ui --results results"
    assert command("preimage", "ui", results="/it's here") == """preimage ui --results '/it'"'"'s here'"""


def test_home_and_variables_are_filled_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "deep")
    assert expanded("~/a") == str(tmp_path / "a")
    assert expanded("$HOME/${WHERE}/a") == f"{tmp_path}/deep/a"
    assert expanded("s3://bucket/$WHERE") == "s3://bucket/deep"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("$NOT_SET_ANYWHERE/a", "names a variable that is not set"),
        ("s3:/bucket/a", "write s3://bucket/a, or ./s3:/bucket/a if it is a path"),
        ("file:/a", "write file:///a"),
        ("  ", "an address is empty"),
    ],
)
def test_what_would_be_a_folder_of_that_name_is_refused(address, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=message):
        expanded(address)
    if "$" not in address:
        with pytest.raises(StorageError, match=message):
            Folder.at(address)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_meant_has_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Folder.at("./s3:/odd").write("a", b"1")
    assert (tmp_path / "s3:" / "odd" / "a").read_bytes() == b"1"
    assert Folder.at(f"{tmp_path}/$x").path.endswith("/$x")  # an address of our own, exactly as it was given


@pytest.mark.parametrize(
    ("address", "place", "options"),
    [
        ("s3://b/a?region=x&scheme=http", "s3://b/a", "?region=x&scheme=http"),
        ("s3://b/a", "s3://b/a", ""),
        ("/tmp/what?/a", "/tmp/what?/a", ""),
    ],
)
def test_the_options_of_an_address_stay_at_its_end(address, place, options):
    assert split_options(address) == (place, options)
    assert inside(address, "c", "d") == f"{place}/c/d{options}"
    assert name_of(address) == name_of(inside(address, "a")) == "a"


def test_the_submission_of_a_process_is_named_without_options(monkeypatch):
    monkeypatch.setenv("PREIMAGE_SUBMISSION", "s3://b/res/submissions/demo-1?endpoint_override=http://h:1/")
    assert submission_id() == "demo-1"


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
)
def test_a_shell_reads_a_command_as_it_was_meant(words):
    assert shlex.split(command("preimage", *words)) == ["preimage", *words]


def test_workers_hear_of_the_server_and_of_no_credentials(monkeypatch):
    for name in SERVER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    monkeypatch.setenv("AWS_REGION", "")
    assert server_variables() == {"AWS_ENDPOINT_URL": "http://minio:9000"}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://anna:hunter2@minio:9000")
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL_S3 carries a password") as error:
        server_variables()
    assert "hunter2" not in str(error.value)
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL_S3 carries a password"):
        Folder.at("s3://bucket/res")
