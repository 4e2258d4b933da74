"""A generator that its owner's code builds: each command names that code, also for Ray's workers."""

from pathlib import Path

import pytest
import torch

import preimage
import strangers
from faulty import INVERT
from preimage.errors import GeneratorError, PreimageError
from shell import Shell

HERE = Path(strangers.__file__).parent
REFUSED = "add --code strangers, or `code: [strangers]` to the spec"


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """Of an inversion of 60 digits by a network that torch.export does not take."""
    monkeypatch.chdir(HERE)  # where the code lies
    monkeypatch.setenv("PREIMAGE_RESULTS", str(tmp_path / "results"))
    torch.manual_seed(0)
    code = {"code": "strangers:Branching", "settings": {"side": 8}}
    preimage.save_generator(strangers.Branching(side=8), tmp_path / "g", latent_dim=4, **code)
    return INVERT | {
        "generator": str(tmp_path / "g"),
        "data": {"source": "digits", "size": 8, "channels": 1, "max_images": 60},
        "inversion": INVERT["inversion"] | {"steps": 5},
        "resources": {"backend": "local", "gpu": False},
        "tracking": {"uri": "none"},
    }


def test_a_run_named_again_names_its_code_again(spec, monkeypatch, capsys):
    done = preimage.run(spec, code="strangers")
    shell = Shell(monkeypatch, capsys)
    for verb in ("plan", "run", "submit"):
        said = shell(verb, done.run)
        assert (said.code, REFUSED in said.err) == (2, True)
    assert "already finished" in shell("run", done.run, "--code", "strangers").out


def test_a_studys_trials_may_use_the_code_that_its_spec_names(spec):
    body = {key: part for key, part in spec.items() if key != "tracking"}
    study = {
        "trial": body,
        "tracking": {"uri": "none"},
        "space": {"inversion.steps": {"choice": [2, 3]}},
        "objectives": {"reconstruction_error": "minimize"},
        "sampler": {"name": "grid"},
    }
    with pytest.raises(GeneratorError, match="add --code strangers"):
        preimage.plan(study)
    assert preimage.plan(study | {"code": ["strangers"]}).code == ("strangers",)
    assert preimage.run(study | {"code": "strangers"}).metrics["complete"] == 2


@pytest.mark.ray
def test_a_ray_that_was_started_before_the_code_was_named_is_refused(ray, spec, tmp_path):
    with pytest.raises(
        PreimageError, match="before strangers was named: call ray.shutdown.. first, or start"
    ):
        preimage.run(spec | {"resources": {"backend": "ray"}}, code="strangers")
    assert not (tmp_path / "results").exists()
