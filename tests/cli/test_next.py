"""What is proposed after a run makes sense, and works when it is pasted."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from preimage.errors import PreimageError
from preimage.library.browse import open_subject
from preimage.pipelines.next_steps import MOST
from shell import Shell

REPOSITORY = Path(__file__).parents[2]
DIGITS = "{source: digits, size: 16, channels: 1, max_images: 200}"
PIPELINE = f"""\
steps:
  train:
    job: train-gan
    data: {DIGITS}
    model: {{latent_dim: 4, prior: normal, kernel_size: 4, base_channels: 4}}
    training: {{total_images: 120, batch_size: 24, log_every: 48, sample_every: 120, checkpoint_every: 120}}
  pca: {{job: pca, latent_dim: 4, data: {DIGITS}}}
  codes: {{job: invert, generator: train, inversion: {{steps: 2}}}}
  prior: {{job: fit-prior, store: codes, kind: gaussian}}
resources: {{backend: local}}
tracking: {{uri: jsonl}}
"""


@pytest.fixture
def shell(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    return Shell(monkeypatch, capsys)


def proposed(said: str) -> list[list[str]]:
    """The words of each command after `next`."""
    lines = said.partition("\nnext\n")[2].splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("  preimage ")]


def specs_in(commands: list[list[str]]) -> list[str]:
    """What is run, or else the verb."""
    return [words[1] if words[0] == "run" else " ".join(words[:-3]) for words in commands]


def test_what_follows_a_run_works_when_it_is_pasted(shell, tmp_path):
    (tmp_path / "a.yaml").write_text(PIPELINE)
    results = ("--results", tmp_path / "results")
    done = shell("run", tmp_path / "a.yaml", *results, "--json")
    assert done.code == 0, done.err
    steps = json.loads(done.out.splitlines()[-1])["steps"]
    expected = {
        "train": ["browse", "invert", "classifier"],
        "pca": ["browse", "explore", "compare-priors", "pag"],
        "codes": ["browse", "pag", "analyze-codes", "explore"],
        "prior": ["browse", "dcgan", "pag", "compare-priors"],
    }
    tried: set[str] = set()
    for step, specs in expected.items():
        again = shell("run", steps[step]["run"], *results)
        found = proposed(again.out)
        assert len(found) <= MOST
        assert specs_in(found) == specs, step
        for words in found:
            if shlex.join(words) not in tried:
                tried.add(shlex.join(words))
                assert works(shell, words), words
    assert f"prior={steps['prior']['run']}" in tried_of(tried, "pag store=inv")
    assert f"prior={steps['pca']['products']['generator']}/prior" in tried_of(tried, "pag store=pca")


def works(shell: Shell, words: list[str]) -> bool:
    """Whether a command works: what would run is planned, and what would be served is opened."""
    if words[0] == "browse":
        return bool(open_subject(words[1], results=words[-1]))
    return shell("plan" if words[0] == "run" else words[0], *words[1:]).code == 0


def tried_of(tried: set[str], part: str) -> str:
    """The one command that has a part and names a prior."""
    (found,) = (each for each in tried if part in each and "prior=" in each)
    return found


def test_what_follows_prepared_and_imported_data_works_when_it_is_pasted(shell, tmp_path):
    np.save(tmp_path / "codes.npy", np.random.default_rng(0).normal(size=(50, 4)).astype("float32"))
    results = ("--results", tmp_path / "results")
    prepared = shell("data", "prepare", "digits", "data.size=16", "data.channels=1", *results)
    imported = shell("store", "import", tmp_path / "codes.npy", *results)
    assert specs_in(proposed(prepared.out)) == ["dcgan", "pca"]
    assert specs_in(proposed(imported.out)) == ["browse", "pag", "compare-priors", "store show"]
    for words in (*proposed(prepared.out), *proposed(imported.out)):
        assert works(shell, words), words


def test_after_a_run_that_failed_it_is_said_how_to_resume(shell, tmp_path, monkeypatch):
    def fail(*_):
        raise PreimageError("the disk is full")

    (tmp_path / "a.yaml").write_text(PIPELINE)
    command = ("run", tmp_path / "a.yaml", "--fresh", "--results", tmp_path / "results")
    monkeypatch.setattr("preimage.jobs.train.run_gan.run", fail)
    failed = shell(*command)
    assert failed.code == 2
    assert "error: the disk is full" in failed.err
    again, report = proposed(failed.err)
    assert again == [str(word) for word in command if word != "--fresh"], "what is finished is kept"
    monkeypatch.undo()
    assert shell(*report).code == 0
    assert proposed(shell("run", "nothing-of-that-name").err) == []
