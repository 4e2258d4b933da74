"""Completion: what is offered for each word, and that bash puts it where it belongs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from preimage.cli.completion import BASH, FISH, ZSH
from shell import PIPELINE, SPEC, Shell

PROFILES = "profiles: {small: {training.total_images: 240}}\n"


@pytest.fixture
def offered(monkeypatch, capsys, tmp_path):
    """The candidates for the last word of a line, in a folder with specs and results."""
    (tmp_path / "job.yaml").write_text("# A job.\n" + SPEC + PROFILES)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "study.yaml").write_text(f"trial: {{{SPEC.strip().splitlines()[0]}}}\nspace: {{}}\n")
    for name, product in (("invert-1", "store"), ("train-gan-2", "generator"), ("study-3", "figures")):
        (tmp_path / "results" / "runs" / name / product).mkdir(parents=True)
        (tmp_path / "results" / "runs" / name / "run.json").write_text("{}")
    (tmp_path / "results" / "runs" / "invert-1" / "spec.yaml").write_text("job: invert\n")
    (tmp_path / "results" / "submissions" / "job-4").mkdir(parents=True)
    (tmp_path / "results" / "submissions" / "job-4" / "submission.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREIMAGE_RESULTS", raising=False)
    shell = Shell(monkeypatch, capsys)
    monkeypatch.setenv("COLUMNS", "9999")

    def found(line: str) -> list[str]:
        monkeypatch.setenv("_PREIMAGE_COMPLETE", "complete_fish")
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"preimage {line}")
        said = shell()
        assert (said.code, said.err) == (0, "")
        return [each.partition("\t")[0] for each in said.out.splitlines() if each]

    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ru", ["run", "runs"]),
        ("store s", ["show"]),
        ("run j", ["job.yaml"]),
        ("run specs/", ["specs/pipeline.yaml"]),
        ("run ./specs/p", ["./specs/pipeline.yaml"]),
        ("run inv", ["invert", "invertibility", "invert-1"]),
        ("run dem", ["demo"]),
        ("run glo -p s", ["small"]),
        ("plan glo training.total", ["training.total_images="]),
        ("specs fit", ["fit-prior"]),
        ("copy fit", ["fit-prior"]),
        ("submit job-", ["job-4"]),
        ("run job.yaml --prof", ["--profile"]),
        ("run job.yaml --profile ", ["small"]),
        ("run job.yaml -p s", ["small"]),
        ("run job.yaml training.ba", ["training.batch_size="]),
        ("run job.yaml --fresh training.ba", ["training.batch_size="]),
        ("run job.yaml seed=3 model.pr", ["model.prior="]),
        ("run job.yaml model.prior=", ["model.prior=normal", "model.prior=uniform"]),
        ("run job.yaml resources.gpu=", [f"resources.gpu={each}" for each in ("true", "false", "auto")]),
        ("run job.yaml data.source=di", ["data.source=digits"]),
        ("run specs/pipeline.yaml tr", ["train.", "tracking."]),
        ("run specs/pipeline.yaml train.training.ba", ["train.training.batch_size="]),
        ("run specs/pipeline.yaml codes.inversion.solver=l", [
            "codes.inversion.solver=lbfgs", "codes.inversion.solver=levenberg-marquardt",
        ]),
        ("run specs/pipeline.yaml defaults.", ["defaults.train-gan.", "defaults.invert.", "defaults.pag."]),
        ("run study.yaml trial.training.ba", ["trial.training.batch_size="]),
        ("run study.yaml sampler.na", ["sampler.name="]),
        ("plan invert-1 generator=", ["generator=train-gan-2"]),
        ("store show ", ["invert-1"]),
        ("generator show ", ["train-gan-2"]),
        ("study show ", ["study-3"]),
        ("logs ", ["job-4"]),
        ("runs rm tr", ["train-gan-2"]),
        ("data prepare web", ["webdataset"]),
        ("data prepare digits data.si", ["data.size="]),
        ("data prepare digits resa", ["resample="]),
        ("completion ", ["bash", "zsh", "fish"]),
    ],
)  # fmt: skip
def test_each_word_is_offered_what_it_can_become(offered, line, expected):
    assert offered(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "run nothing.yaml training.ba",
        "run notes.txt --profile ",
        "run job.yaml no.such.key",
        "run job.yaml seed=",
        "run job.yaml training=",
        "run job.yaml --results s3://bucket/",
        "run nowhere/",
        "store show --results s3://bucket/x ",
        "store show --results $NOT_SET/x ",
        "generator export train-gan-2 --output ",
    ],
)
def test_where_nothing_is_known_nothing_is_said(offered, line):
    assert offered(line) == []


def test_keys_are_offered_with_what_they_are_for(monkeypatch, capsys, offered):
    offered("run job.yaml training.ba")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "preimage run job.yaml training.ba")
    said = Shell(monkeypatch, capsys)().out
    assert said.startswith("training.batch_size=\tImages per step")


@pytest.mark.parametrize(
    ("line", "word", "answer", "replies"),
    [
        ("preimage ru", "ru", "run\tRun it", ["run"]),
        ("preimage run a.yaml model.prior=n", "n", "model.prior=normal", ["normal"]),
        (
            "preimage run a.yaml model.prior=",
            "",
            "model.prior=normal\nmodel.prior=uniform",
            ["normal", "uniform"],
        ),
        ("preimage run a.yaml seed=", "", "", [""]),  # what printf makes of no reply at all
        ("preimage run a.yaml mod", "mod", "model.\tThe networks", ["model."]),
        ("preimage run s3://b/a", "//b/a", "s3://b/a.yaml", ["//b/a.yaml"]),
    ],
)
def test_bash_replaces_only_what_follows_its_own_breaks(tmp_path, line, word, answer, replies):
    """COMP_WORDBREAKS ends a word at = and :, so that only the rest of it is replaced."""
    program = tmp_path / "preimage"
    program.write_text(
        f"#!/bin/sh\nprintf '%s' \"$_TYPER_COMPLETE_ARGS\" >'{tmp_path}/asked'\nprintf '{answer}\\n'\n"
    )
    program.chmod(0o755)
    script = f"""{said(BASH)}
COMP_LINE={line!r} COMP_POINT={len(line)}
_preimage '{program}' {word!r} preimage
printf '%s\\n' "${{COMPREPLY[@]}}"
test ${{#COMPREPLY[@]}} = {len([each for each in replies if each])} || echo too many
"""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == replies, done.stderr
    assert (tmp_path / "asked").read_text() == line


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_each_shell_takes_its_script(shell, script, monkeypatch, capsys):
    printed = Shell(monkeypatch, capsys)("completion", shell)
    assert (printed.code, printed.out.strip()) == (0, said(script))
    if place := shutil.which(shell):
        subprocess.run(
            [place, "-n", "-c", printed.out], check=True, env=os.environ | {"HOME": str(Path.cwd())}
        )


def said(script: str) -> str:
    from preimage.cli.completion import ASKED

    return script.strip().replace("ASKED", ASKED)
