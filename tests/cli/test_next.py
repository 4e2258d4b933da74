"""What is proposed after a run makes sense, and works when it is pasted."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from preimage.jobs.base import Job
from preimage.jobs.references import Reference
from preimage.jobs.registry import JOBS
from preimage.pipelines.next_steps import MOST, RELATED, AtHand, suggested
from preimage.specs.shipped import shipped_spec
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
    return [Path(words[1]).stem if words[0] == "run" else " ".join(words[:2]) for words in commands]


def test_what_follows_a_run_works_when_it_is_pasted(shell, tmp_path):
    (tmp_path / "a.yaml").write_text(PIPELINE)
    results = ("--results", tmp_path / "results")
    done = shell("run", tmp_path / "a.yaml", *results, "--json")
    assert done.code == 0, done.err
    steps = json.loads(done.out.splitlines()[-1])["steps"]
    expected = {
        "train": ["invert", "generator show"],
        "pca": ["pag", "compare-priors", "explore", "store show"],
        "codes": ["pag", "compare-priors", "explore", "store show"],
        "prior": ["pag", "compare-priors", "explore", "store show"],
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
                planned = shell("plan" if words[0] == "run" else words[0], *words[1:])
                assert planned.code == 0, (words, planned.err)
    assert f"prior={steps['prior']['run']}" in tried_of(tried, "prior=fit")
    assert f"prior={steps['pca']['products']['generator']}/prior" in tried_of(tried, "/prior")


def tried_of(tried: set[str], part: str) -> str:
    """The one command that has a part."""
    (found,) = (each for each in tried if part in each)
    return found


def parts(annotation: Any) -> Iterator[type]:
    """All types in an annotation, and in the fields of its models."""
    for each in get_args(annotation):
        yield from parts(each)
    if isinstance(annotation, type):
        yield annotation
        if issubclass(annotation, BaseModel):
            for field in annotation.model_fields.values():
                yield from parts(field.annotation)


def handles_products(job: type[Job]) -> bool:
    """Whether it makes a product or refers to one."""
    return bool(job.makes) or any(issubclass(each, Reference) for each in parts(job))


def test_every_kind_of_job_has_something_to_follow():
    for kind in JOBS:
        assert handles_products(JOBS[kind]) != (kind in RELATED), kind


def test_what_is_related_is_there_with_its_profile(shell):
    for kind, (spec, profile, _) in RELATED.items():
        assert shipped_spec(kind)
        assert shell("plan", shipped_spec(spec), "--profile", profile).code == 0


@pytest.mark.parametrize(
    "products", [("store",), ("generator",), ("classifier", "generator"), ("prior", "store")]
)
def test_any_product_leads_somewhere_and_nothing_is_proposed_again(products):
    at_hand = {name: f"a-{name}" for name in products}
    found = list(suggested(AtHand(at_hand)))
    assert found
    kinds = frozenset(("invert", "pag", "compare-priors", "explore", "evaluate"))
    left = list(suggested(AtHand(at_hand, done=kinds)))
    assert all(command.split()[1] != "run" for command, _ in left)


def test_what_follows_prepared_and_imported_data_works_when_it_is_pasted(shell, tmp_path):
    np.save(tmp_path / "codes.npy", np.random.default_rng(0).normal(size=(50, 4)).astype("float32"))
    results = ("--results", tmp_path / "results")
    prepared = shell("data", "prepare", "digits", "data.size=16", "data.channels=1", *results)
    imported = shell("store", "import", tmp_path / "codes.npy", *results)
    assert specs_in(proposed(prepared.out)) == ["dcgan", "pca"]
    assert specs_in(proposed(imported.out)) == ["pag", "compare-priors", "store show"]
    for words in (*proposed(prepared.out), *proposed(imported.out)):
        planned = shell("plan" if words[0] == "run" else words[0], *words[1:])
        assert planned.code == 0, (words, planned.err)
