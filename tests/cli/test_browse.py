"""`preimage browse`: what it says before it serves anything."""

import socket

import pytest

from preimage.cli.browse import browse
from preimage.errors import SpecError, TrackingError


def test_a_name_of_nothing_is_one_sentence(tmp_path):
    with pytest.raises(SpecError, match="nothing"):
        browse("nothing", results=str(tmp_path), port=free())


def test_a_port_that_is_taken_is_said_before_anything_is_opened(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(TrackingError, match="cannot listen on 127.0.0.1"):
            browse("nothing", results=str(tmp_path), port=other.getsockname()[1])


def free():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
