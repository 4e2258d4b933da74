"""What the doctor says of where results go."""

import pytest

from preimage.cli import doctor
from preimage.cli.doctor import _storage
from s3 import with_options


def found(address: str) -> dict[str, str]:
    return {each.what: each.remedy or each.found for each in _storage(address)}


def test_a_bucket_that_is_well(s3, s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # what the address says counts
    root = with_options(s3, s3_server)
    assert found(root.uri) == {
        "results": root.uri,
        "results server": f"{s3_server}, region us-east-1",
        "results read": "yes",
        "results written": "yes",
        "results claims": "by conditional writes",
    }
    assert not root.exists(), "it leaves nothing"


def test_a_server_that_the_environment_names(s3, s3_server, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-1")
    assert found(s3.uri)["results server"] == f"{s3_server}, region eu-1"


def test_a_bucket_that_is_not_there(s3):
    said = found("s3://no-such-bucket/res")
    assert "results written" not in said
    assert "no-such-bucket" in said["results read"]


def test_a_folder_of_this_machine(tmp_path):
    said = found(str(tmp_path / "new"))
    assert said["results claims"] == "by file locks"
    assert "results server" not in said
    assert not list((tmp_path / "new").iterdir())


def test_storage_without_locks(tmp_path, monkeypatch):
    import fcntl

    def refuses(*_: object) -> None:
        raise OSError(38, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuses)
    assert found(str(tmp_path))["results claims"].startswith("none: ")


@pytest.mark.parametrize("address", ["s3://b?region", "s3://anonymous@b/x", "s3://b/x?access_key=K"])
def test_an_address_that_is_none(address):
    assert list(found(address)) == ["results"]


@pytest.mark.parametrize(
    ("factor", "said"),
    [(0.68, "0.68 times"), (1.1, "gain nothing"), (17.6, "18 times"), (17.6, "use float32")],
)
def test_it_is_said_which_precisions_pay(factor, said, monkeypatch):
    monkeypatch.setattr(doctor, "bfloat16_factor", lambda: factor)
    found = doctor._precision()
    assert said in found.found
    assert ("they pay" in found.found) == (factor < 1)
    assert found.remedy is None
