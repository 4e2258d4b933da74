"""What was noted of the tracker is never fatal, whatever happened to it."""

import json

import pytest

from preimage.runs.run_folder import RunFolder
from preimage.tracking.notes import FILE, Notes


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b'{"home": "her', b"[]", b"null", b"{}"]
    + [json.dumps({"home": "here", **more}).encode() for more in ({"told": "yes"}, {"unknown": 1})],
)
def test_damaged_notes_begin_anew_with_a_warning(folder, caplog, text):
    folder.write(FILE, text)
    assert Notes.of(RunFolder(folder), "here") == Notes(home="here")
    assert [f"{FILE} is damaged or comes from another version" in each for each in caplog.messages] == [True]


def test_notes_of_another_tracker_do_not_count(folder, caplog):
    folder.write_json(FILE, {"home": "here", "run_id": "1", "last_record": "a", "deleted": ["0"]})
    assert Notes.of(RunFolder(folder), "there") == Notes(home="there")
    assert Notes.of(RunFolder(folder), "here") == Notes(
        home="here", run_id="1", deleted=["0"], last_record="a"
    )
    assert not caplog.messages
