import sys

import pytest

from preimage.errors import StorageError
from preimage.storage import bucket
from preimage.storage.folder import Folder


def test_a_path_and_its_file_uri_are_the_same_folder(tmp_path):
    Folder.at(tmp_path / "a").write("x", b"1")
    assert Folder.at(f"file://{tmp_path}/a").read("x") == b"1"
    assert Folder.at(Folder.at(f"file://{tmp_path}/a").uri).names() == ["x"]


def test_what_is_not_there(folder):
    missing = folder / "none"
    assert missing.names() == []
    assert not missing.exists()
    assert not missing.exists("x")
    missing.remove("x")
    missing.delete()
    for ask in (missing.read, missing.size, missing.read_json):
        with pytest.raises(StorageError, match="none/x"):
            ask("x")


def test_json_that_is_none_is_said_to_be_altered(folder):
    folder.write("a.json", b'{"a": ')
    with pytest.raises(StorageError, match="altered or truncated"):
        folder.read_json("a.json")


@pytest.mark.parametrize("uri", ["nowhere://x", "s3x://bucket"])
def test_a_filesystem_that_does_not_exist_is_refused(uri):
    with pytest.raises(StorageError, match="Give a path or a URI"):
        Folder.at(uri)


def test_a_store_out_of_reach_is_one_message(monkeypatch):
    monkeypatch.setattr(bucket, "RETRIES", 0)
    folder = Folder.at("s3://bucket/folder?endpoint_override=127.0.0.1:1&scheme=http")
    for ask in (folder.names, folder.exists, lambda: folder.size("x"), lambda: folder.remove("x")):
        with pytest.raises(
            StorageError, match="cannot reach s3://bucket/folder.endpoint_override=127.0.0.1:1&scheme=http"
        ):
            ask()
    with pytest.raises(StorageError, match="cannot write"):
        folder.write("x", b"1")


def test_a_filesystem_that_needs_another_package_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(StorageError, match="needs a package that is not here.*huggingface_hub"):
        Folder.at("hf://someone/model")
