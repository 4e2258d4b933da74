"""Whatever a command prints can be pasted, and whatever is stored opens the same place."""

import subprocess
from pathlib import Path

import pytest

from preimage.storage.address import name_of
from preimage.storage.folder import Folder
from s3 import require_whole_addresses, texts, with_options
from shell import PIPELINE, SPEC, Shell

REPOSITORY = Path(__file__).parents[2]
ODD = "it's a [bold] & 100% #odd (place)"
SECRETS = {"AWS_SECRET_ACCESS_KEY": "k3y-of-aws", "AWS_SESSION_TOKEN": "s3ssion-of-aws"}
PROGRAMS = ("preimage",)


@pytest.fixture
def shell(monkeypatch, capsys) -> Shell:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("PREIMAGE_RESULTS", raising=False)
    found = Shell(monkeypatch, capsys)
    monkeypatch.setenv("COLUMNS", "60")
    return found


@pytest.fixture
def paste(tmp_path, monkeypatch):
    """What a program is given of a line that is pasted into a shell."""
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\nprintf \'%s\\0\' "${0##*/}" "$@"\n')
        program.chmod(0o755)
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"

    def pasted(line: str) -> list[str]:
        done = subprocess.run(["sh", "-c", line], env={"PATH": path}, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), line
        return done.stdout.split("\0")[:-1]

    return pasted


@pytest.fixture
def bucket(s3, s3_server, monkeypatch) -> Folder:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_REGION")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return with_options(s3, s3_server)


def run_what_is_printed(shell: Shell, paste, said: str, pages: Path) -> list[str]:
    """Run every printed command, but `ui`; those that train only as a plan, and `browse` into a file below
    `pages`. Returns their verbs."""
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith(PROGRAMS)]
    verbs = []
    for _, *words in map(paste, lines):
        verbs.append(words[0])
        if words[0] == "browse":
            words += ["--static", pages / f"{len(verbs)}.html"]
        if words[0] != "ui":
            done = shell("plan" if words[0] == "run" else words[0], *words[1:])
            assert done.code == 0, (words, done.err)
    return verbs


def test_of_a_pipeline_in_a_bucket_whose_server_the_address_names(shell, paste, bucket, tmp_path):
    (tmp_path / "a.yaml").write_text(PIPELINE.replace("{uri: none}", "{uri: jsonl}").replace("480", "120"))
    ran = [shell(verb, tmp_path / "a.yaml", "--results", bucket) for verb in ("run", "plan")]
    assert [each.code for each in ran] == [0, 0], ran
    said = "\n".join(each.out + each.err for each in ran)
    assert run_what_is_printed(shell, paste, said, tmp_path) == ["browse", "run", "run", "run"]
    trained = next(name for name in (bucket / "runs").names() if name.startswith("train-gan"))
    generator = (bucket / "runs" / trained / "generator").uri
    planned = shell("plan", "jobs/invert.yaml", f"generator={generator}", "--results", bucket)
    assert (planned.code, generator in planned.out) == (0, True), planned.err
    stored = texts(bucket)
    assert {name_of(each) for each in stored} >= {"run.json", "spec.yaml", "outcome.json", "manifest.json"}
    require_whole_addresses(bucket, [*stored.values(), said])
    for secret in SECRETS.values():
        assert secret not in said + "".join(stored.values())


def test_of_a_job_in_a_folder_with_any_name(shell, paste, tmp_path):
    place = tmp_path / ODD
    (tmp_path / "a.yaml").write_text(SPEC)
    trained = shell("run", tmp_path / "a.yaml", "training.total_images=120", "--results", place)
    assert trained.code == 0, trained.err
    assert str(place / "runs") in trained.out, "neither cut nor taken for markup"
    assert run_what_is_printed(shell, paste, trained.out, tmp_path) == ["browse", "run", "run"]
    shown = shell("jobs", "--results", place)
    assert paste(shown.out.partition("Submit one: ")[2].strip()) == [
        *("preimage", "submit", "SPEC", "--results", str(place)),
    ]


def test_addresses_in_tables_are_whole(shell, tmp_path):
    shown = shell("generator", "show", tmp_path / ODD / "nowhere")
    assert f"{tmp_path / ODD / 'nowhere'}" in shown.err
    assert "\n" not in shown.err.strip()
