"""Standard output that is full, closed, or nobody reads; and terminals that know no Unicode."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preimage.cli import main
from shell import SPEC, Shell

QUICK = SPEC.replace("total_images: 480", "total_images: 120")


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    (tmp_path / "job.yaml").write_text(QUICK)
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def onto(monkeypatch, capsys):
    """Run words with another standard output: the exit code, and what stood on standard error."""

    def run(stream, *words):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "argv", ["preimage", *words])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
            assert sys.stdout is stream
        stream.close()
        return ended.value.code, capsys.readouterr().err

    return run


def full_disk():
    return Path("/dev/full").open("w")


def lost_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


VERBS = (
    ["--help"],
    ["--version"],
    ["plan", "job.yaml"],
    ["run"],
    ["schema"],
    ["jobs"],
    ["runs"],
    ["data", "list"],
    ["completion", "bash"],
)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full")
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_a_full_disk_is_one_message(shell, onto, words):
    code, said = onto(full_disk(), *words)
    assert code == 1
    assert said == "error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("words", VERBS[:2] + VERBS[-2:], ids=" ".join)
def test_a_reader_that_leaves_is_told_nothing(shell, onto, words):
    assert onto(lost_pipe(), *words) == (141, "")


@pytest.mark.parametrize("stream", [full_disk, lost_pipe], ids=["full", "left"])
def test_a_run_finishes_where_nothing_can_be_shown(shell, onto, tmp_path, stream):
    code, said = onto(stream(), "run", "job.yaml")
    assert code == (141 if said == "" else 1)
    (outcome,) = (tmp_path / "results" / "runs").glob("*/outcome.json")
    assert json.loads(outcome.read_text())["metrics"]["images_seen"] == 120


def test_a_full_standard_error_changes_neither_the_exit_code_nor_the_result(shell, monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert json.loads(shell("run", "job.yaml", "--json").out.splitlines()[-1])["run"]
        assert shell("run", "nothing.yaml").code == 2


def test_ascii_is_enough(shell, onto):
    seen = io.BytesIO()
    stream = io.TextIOWrapper(seen, encoding="ascii")
    stream.close = stream.flush
    assert onto(stream, "--help")[0] == 0
    assert b"\\u2014" in seen.getvalue()


def test_closed_streams_are_opened_nowhere(tmp_path):
    """Otherwise a file that is opened later becomes standard output."""
    script = f"'{sys.executable}' -m preimage"
    line = (
        f"{script} --version >&- 2>err; echo $? >codes; {script} nothing 2>&- >out; echo $? >>codes; "
        f"{script} data list <&- >&- 2>&-; echo $? >>codes"
    )
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    assert (tmp_path / "codes").read_text().split() == ["0", "2", "0"]
    assert (tmp_path / "err").read_text() == (tmp_path / "out").read_text() == ""


@pytest.mark.parametrize("settings", [{"FORCE_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {}])
def test_no_escape_codes_in_a_pipe_unless_one_asks_for_them(shell, monkeypatch, settings):
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    said = shell("plan", "job.yaml")
    assert ("\x1b[" in said.out) == ("FORCE_COLOR" in settings)
