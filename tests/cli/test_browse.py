"""`preimage browse`: what it says before it serves anything."""

import socket

import pytest
import torch

from browsed import of_codes
from preimage.cli.browse import browse
from preimage.errors import SpecError, StorageError, TrackingError
from preimage.storage.folder import Folder


def test_a_name_of_nothing_is_one_sentence(tmp_path):
    with pytest.raises(SpecError, match="nothing"):
        browse("nothing", results=str(tmp_path), port=free())


def test_a_port_that_is_taken_is_said_before_anything_is_opened(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(TrackingError, match="cannot listen on 127.0.0.1"):
            browse("nothing", results=str(tmp_path), port=other.getsockname()[1])


def test_a_file_that_cannot_be_written_is_said_before_the_map_is_made(tmp_path):
    (tmp_path / "map.html").write_text("mine")
    with pytest.raises(StorageError, match="is there already"):
        browse("nothing", results=str(tmp_path), static=str(tmp_path / "map.html"))
    with pytest.raises(StorageError, match="must end in"):
        browse("nothing", results=str(tmp_path), static=str(tmp_path / "map.png"))


def test_the_map_is_written_to_an_address_too(tmp_path):
    subject = of_codes(Folder.at(tmp_path / "results" / "stores" / "mine"), torch.randn(20, 3))
    file = tmp_path / "map.html"
    browse("mine", results=str(tmp_path / "results"), static=file.as_uri())
    assert str(subject.fingerprint)[:10] in file.read_text()


def free():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
