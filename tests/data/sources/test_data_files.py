"""The files of sources that come in shards."""

import os

import pytest

from preimage.data.sources.data_files import list_files
from preimage.errors import DataError


@pytest.mark.parametrize("address", ["{}", "{}/*.tar"])
@pytest.mark.parametrize("make", [lambda path: path.symlink_to(path.parent / "nowhere"), os.mkfifo])
def test_a_shard_that_is_no_file_is_not_missing_unsaid(tmp_path, make, address):
    (tmp_path / "0.tar").write_bytes(b"")
    make(tmp_path / "1.tar")
    with pytest.raises(DataError, match=r"in place of files: 1\.tar\. Copy the files, or remove these"):
        list_files(address.format(tmp_path), ".tar")


def test_other_links_to_nothing_are_files_that_are_not_read(tmp_path):
    (tmp_path / "0.tar").write_bytes(b"")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "nowhere")
    _, files, others = list_files(str(tmp_path), ".tar")
    assert [each.name for each in files] == ["0.tar"]
    assert sum(each.count for each in others) == 1
