"""The ledger of submissions, from anybody: shown as it is, or one message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.cli.submissions import jobs, logs, status
from preimage.cluster import diagnosis
from preimage.cluster.submissions import Submission
from security.mutations import FUZZ, altered, damaged, documented
from submitted import record, say


@pytest.mark.parametrize("name", ["submission.json", "state.json", "diagnosis.json"])
def test_any_json_of_a_submission(folder, name):
    made = record(Submission(folder / "submissions" / "demo-1"), needs={"CPU": 1.0}, env=["HF_TOKEN"])
    ended = "running" if name == "diagnosis.json" else "finished"
    say(made, ended, began="2026-01-02T03:04:05+00:00", exit_code=0, waits_for="", working_on="/runs/a")
    found = {"state": "died", "why": "no room", "exit_code": 137, "is_certain": True}
    diagnosis.keep(made, made.state(), found)
    made.logs.write("0001-000000.txt", b"a line [/of] output\n")
    text = made.folder.read(name)
    changed = altered(json.loads(text)).map(lambda value: json.dumps(value).encode())

    @FUZZ
    @given(st.one_of(changed, damaged(text)))
    def each(data):
        made.folder.write(name, data)
        nowhere = "http://127.0.0.1:9"
        documented(lambda: jobs(folder.uri, nowhere))
        documented(lambda: jobs(folder.uri, nowhere, as_json=True))
        documented(lambda: status("demo-1", folder.uri, nowhere))
        documented(lambda: logs("demo-1", results=folder.uri))

    each()


def test_what_a_record_says_is_shown_as_text(folder, capsys):
    record(Submission(folder / "submissions" / "demo-1"), user="[/red]", host="[bold]")
    jobs(folder.uri, "http://127.0.0.1:9")
    status("demo-1", folder.uri, "http://127.0.0.1:9")
    said = capsys.readouterr().out
    assert said.count("[/red]") == 2
    assert "[bold]" in said
