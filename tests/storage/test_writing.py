"""Streaming to a file: it is there whole or not at all, however its writing ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import fs

from preimage.errors import StorageError
from preimage.storage.folder import Folder
from preimage.storage.other import OtherStorage


@pytest.fixture(params=["local", "remote"])
def place(request, tmp_path) -> Folder:
    if request.param == "local":
        return Folder.at(tmp_path / "new")
    memory = fs._MockFileSystem()
    memory.create_dir("new")
    return Folder(OtherStorage(memory, "mock://"), "new")


def interrupt(folder: Folder) -> None:
    with folder.writing("file") as stream:
        stream.write(b"after")
        raise InterruptedWriting


class InterruptedWriting(Exception):
    pass


def test_a_file_appears_whole_at_the_end(place):
    with place.writing("file") as stream:
        stream.write(b"one ")
        assert place.names() == []
        stream.write(b"two")
    assert place.names() == ["file"]
    assert place.read("file") == b"one two"


def test_an_interruption_leaves_the_file_that_was_there(place):
    place.write("file", b"before")
    with pytest.raises(InterruptedWriting):
        interrupt(place)
    assert place.names() == ["file"]
    assert place.read("file") == b"before"


def test_an_interruption_leaves_no_file(place):
    place.write("other", b"")
    with pytest.raises(InterruptedWriting):
        interrupt(place)
    found = place.filesystem.get_file_info(fs.FileSelector(place.path))
    assert [info.base_name for info in found] == ["other"]  # no temporary one either


def test_an_error_of_the_system_in_the_block_becomes_a_storage_error(tmp_path):
    with (
        pytest.raises(StorageError, match=r"cannot write .*/file: .*No space left"),
        Folder.at(tmp_path).writing("file"),
    ):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match="cannot write .*taken/inner/file"):
        Folder.at(tmp_path / "taken" / "inner").write("file", b"x")


KILLED = """
import os, signal, sys
from preimage.storage.folder import Folder
with Folder.at(sys.argv[1]).writing("file") as stream:
    stream.write(b"x" * 5_000_000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_no_file_to_be_seen(tmp_path):
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert Folder.at(tmp_path).names() == []


FULL = """
import resource, signal, sys
from preimage.errors import StorageError
from preimage.storage.folder import Folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file past the limit fails as it does on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    with Folder.at(sys.argv[1]).writing("file") as stream:
        for _ in range(100):
            stream.write(b"x" * 100_000)
except StorageError as error:
    print(error)
"""


def test_a_full_disk_is_a_storage_error(tmp_path: Path):
    process = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert "/file: " in process.stdout
    assert "Files already written are unchanged" in process.stdout
    assert os.listdir(tmp_path) == []
