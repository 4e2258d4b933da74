"""One process at a time: real processes, real locks."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from preimage.errors import StorageError
from preimage.storage.claims import claimed
from preimage.storage.file_locks import NAME
from preimage.storage.folder import Folder

HOLD = """
import sys, time
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
with claimed(Folder.at(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder, seconds):
    command = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_waits_and_says_for_whom(tmp_path, caplog):
    first = holder(tmp_path / "run", 1.5)
    with claimed(Folder.at(tmp_path / "run")):
        assert first.wait() == 0
        assert json.loads((tmp_path / "run" / NAME).read_text())["pid"] == os.getpid()
    assert f"run is being made by process {first.pid} on " in caplog.text


def test_a_killed_process_holds_nothing(tmp_path):
    first = holder(tmp_path / "run", 60)
    first.send_signal(signal.SIGKILL)
    first.wait()
    begin = time.monotonic()
    with claimed(Folder.at(tmp_path / "run")):
        assert time.monotonic() - begin < 5


def test_what_was_done_while_waiting_is_not_done_again(tmp_path):
    """Four processes, one after another: none sees another at work."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from preimage.storage.claims import claimed\nfrom preimage.storage.folder import Folder\n"
        "folder = Path(sys.argv[1])\n"
        "with claimed(Folder.at(folder)):\n"
        "    inside = folder / 'inside'\n"
        "    assert not inside.exists()\n"
        "    inside.touch(); time.sleep(0.2); inside.unlink()\n"
        "    with open(folder / 'turns', 'a') as file: file.write('x')\n"
    )
    all_of_them = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(4)]
    assert [each.wait() for each in all_of_them] == [0] * 4
    assert (tmp_path / "turns").read_text() == "xxxx"


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write in"), claimed(Folder.at(tmp_path / "file" / "run")):
        pass
