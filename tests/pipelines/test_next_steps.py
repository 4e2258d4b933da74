"""After every kind of job, what is proposed is a command that works with what the run left."""

import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from preimage import api
from preimage.cli.main import app
from preimage.jobs.registry import JOBS
from preimage.pipelines.at_hand import AtHand
from preimage.pipelines.next_steps import MOST
from preimage.pipelines.suggestions import FOLLOWS, RELATED, SUGGESTIONS, suggested
from preimage.runs.run_folder import Outcome
from preimage.specs.shipped import names
from shell import Shell

DIGITS = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
MODEL = {"latent_dim": 4, "kernel_size": 4, "base_channels": 4}
LOOP = {"total_images": 48, "batch_size": 24}
ON_IMAGES = {"data": DIGITS, "model": MODEL, "training": LOOP}
HERE = {"resources": {"backend": "local"}, "tracking": {"uri": "none"}}
MADE = {
    "gan": {"job": "train-gan", **ON_IMAGES},
    "codes": {"job": "invert", "generator": "gan", "inversion": {"steps": 2}, "rank_sample": 0},
    "prior": {"job": "fit-prior", "store": "codes", "kind": "gaussian"},
    "classifier": {"job": "train-classifier", **ON_IMAGES, "model": {"base_channels": 4}},
}
"""Steps that leave a product of each kind."""
BOTH = {"generator": "gan", "store": "codes"}
KINDS: dict[str, dict[str, Any]] = {
    "train-gan": ON_IMAGES,
    "train-dfm": {**ON_IMAGES, "denoiser": {"depth": 1}},
    "train-glo": ON_IMAGES,
    "train-autoencoder": ON_IMAGES,
    "train-classifier": MADE["classifier"],
    "train-prior": {"store": "codes", "training": LOOP},
    "init-generator": {"data": DIGITS, "model": MODEL},
    "invert": MADE["codes"],
    "recover": {
        "generator": "gan",
        "techniques": ["none"],
        "data": {"source": "mnist-5000"} | {"size": 16, "channels": 1},
    },
    "recover-partial": {"generator": "gan"},
    "fit-prior": {"store": "codes", "kind": "diagonal"},
    "compare-priors": {"store": "codes", "priors": {"normal": "normal", "fitted": "prior"}},
    "induced-prior": {"generators": ["gan", "gan"], "stores": ["codes", "codes"], "priors": ["prior"]},
    "pca": {"data": DIGITS, "latent_dim": 4},
    "pag": {"store": "codes"},
    "evaluate": {"generators": {"GAN": "gan"}, "classifier": "classifier", "images": 40},
    "analyze-codes": BOTH,
    "explore": BOTH,
    "compare-reconstructions": {"methods": {"GAN": BOTH}},
    "reconstruction-table": {"datasets": {"digits": {"GAN": BOTH}}},
    "invertibility": {},
    "landscape": {},
    "random-weights": {"datasets": {"digits": DIGITS}},
}
"""A spec of every kind of job. It is planned, not run: the products that it would leave are copies."""
FIRST = {
    "train-gan": "browse", "train-glo": "browse", "invert": "browse", "fit-prior": "browse",
    "train-classifier": "run dcgan", "train-prior": "run dcgan", "landscape": "run invertibility",
    "invertibility": "run recover-partial", "random-weights": "run demo",
}  # fmt: skip
"""What is proposed first."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("next") / "results"


@pytest.fixture(scope="module")
def made(results) -> dict[str, str]:
    """The names of the runs that left the products, by step."""
    outcome = api.run({"steps": MADE, **HERE}, results=str(results))
    return {step: each["run"] for step, each in (outcome.steps or {}).items()}


@pytest.fixture
def left_by(results, made):
    """What is proposed after a job of a kind."""
    products = {"generator": "gan", "checkpoints": "gan", "store": "codes", "prior": "prior"}
    products["classifier"] = "classifier"

    def proposed(kind: str) -> list[list[str]]:
        job = JOBS[kind]
        spec = {**HERE, "job": kind, **{key: named(value, made) for key, value in KINDS[kind].items()}}
        planned = api.plan(spec, results=str(results))
        run = planned.run
        if not run.outcome():
            for name in job.makes:
                folder = Path(results) / "runs" / made[products[name]] / name
                for file in filter(Path.is_file, folder.rglob("*")):
                    run.product(name).write(file.relative_to(folder).as_posix(), file.read_bytes())
            outcome = Outcome(kind, kind, run.name, planned.fingerprint, {}, run.folder.uri)
            about = {"job": kind, "name": kind, "fingerprint": planned.fingerprint}
            run.folder.write_json("run.json", about | {"key": "k", "created": "2026-01-01T00:00:00+00:00"})
            run.finish(outcome)
        found = run.outcome()
        assert found
        return [shlex.split(command)[1:] for command, _ in planned.summarize(found).commands]

    return proposed


def named(value, runs: dict[str, str]) -> Any:
    """A spec with the names of runs in place of those of steps."""
    if isinstance(value, dict):
        return {key: each if key == "kind" else named(each, runs) for key, each in value.items()}
    if isinstance(value, list):
        return [named(each, runs) for each in value]
    return runs.get(value, value) if isinstance(value, str) else value


def test_every_kind_of_job_is_tried():
    assert set(KINDS) == set(JOBS)
    assert set(FOLLOWS) | set(RELATED) == set(JOBS)
    assert {spec for spec, _, _ in RELATED.values()} <= set(names())
    assert {name for names in FOLLOWS.values() for name in names} <= set(SUGGESTIONS)


def test_after_every_kind_there_is_something_to_do_and_it_works(left_by, made, monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parents[2])
    shell, tried = Shell(monkeypatch, capsys), set[str]()
    for kind in KINDS:
        proposed = left_by(kind)
        assert 1 <= len(proposed) <= MOST, kind
        first = proposed[0][0] if proposed[0][0] != "run" else f"run {Path(proposed[0][1]).stem}"
        assert first == FIRST.get(kind, first), kind
        for words in proposed:
            parses(words)
            alike = re.sub(r"-[0-9a-f]{10}", "", shlex.join(words))  # but for the runs' names
            if words[0] == "run" and alike not in tried:
                planned = shell("plan", *words[1:])
                assert planned.code == 0, (kind, words, planned.err)
            tried.add(alike)
    assert any("prior=fit-prior" in each for each in tried)


def parses(words: list[str]) -> None:
    """Raise UsageError unless there is such a verb with such options."""
    group, context = typer.main.get_command(app), None
    while hasattr(group, "resolve_command"):
        context = group.make_context("preimage", list(words), parent=context)
        _, group, words = group.resolve_command(context, context._protected_args + context.args)
    group.make_context("preimage", list(words), parent=context)


def test_what_a_job_has_just_done_is_not_proposed_again():
    products = {name: f"a-{name}" for name in ("generator", "store", "prior", "classifier")}
    at_hand = partial(AtHand, products, latent_dim=4)
    for kind in FOLLOWS:
        found = [command.split()[:3] for command, _ in suggested(at_hand(done=frozenset((kind,))), kind)]
        assert found
        assert kind not in {Path(words[2]).stem for words in found if words[1] == "run"}, kind
