"""Solvers and losses that plugins bring."""

import pytest
import torch
from pydantic import ValidationError

from preimage.errors import InversionError, PluginError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.losses import LOSSES
from preimage.inversion.solvers import SOLVERS
from preimage.jobs.invert.job import InvertJob
from preimage.jobs.registry import plugins_of
from preimage.jobs.settings_text import settings_of
from preimage.specs.validation import check
from small_nets import Linear, seeded

CODE = """
import torch
from preimage.config import Config, PositiveFloat
from preimage.inversion.solvers import SolverKind, Step

class Settings(Config):
    length: PositiveFloat = 0.1
    decay: PositiveFloat

class Signs:
    searches = False
    def __init__(self, setup):
        self.settings, self.constrain = setup.settings, setup.constrain(searches=False)
    def begin(self, z):
        return {"length": torch.full_like(z, self.settings.length)}
    def step(self, problem, rows, state):
        loss, gradient = problem.loss_and_gradient(rows)
        z, _ = self.constrain(rows.z - state["length"] * gradient.sign(), rows.ids, rows.counter)
        state["length"] *= self.settings.decay
        return Step(loss, z, 2)

SIGNS = SolverKind(Signs, steps=7, patience=None, settings=Settings, takes_bfloat16=False)
NOTHING = SolverKind(lambda setup: object())

def l1(images, targets):
    return (images - targets).abs().mean((1, 2, 3))

class L1(torch.nn.Module):
    def forward(self, images, targets):
        return l1(images, targets)

def summed(images, targets):
    return l1(images, targets).sum()
"""
ENTRIES = {
    "solvers": {"signs": "preimage_extra:SIGNS", "nothing": "preimage_extra:NOTHING", "wrong": "sys:path"},
    "losses": {
        "l1": "preimage_extra:l1",
        "l1-module": "preimage_extra:L1",
        "summed": "preimage_extra:summed",
        "config": "preimage_extra:Settings",
    },
}


@pytest.fixture
def own(plug):
    plug(ENTRIES, CODE)


def mistakes(**settings) -> dict[str, str]:
    _, found = check(InvertJob, {"generator": "g", "inversion": settings})
    return {".".join(map(str, place)): problem for place, problem in found}


def test_a_solver_is_made_with_its_settings_and_the_constraint(own):
    generator, images = Linear(), seeded(5, 1, 4, 4, seed=1)
    config = InversionConfig(
        solver="signs", solver_settings={"decay": 0.9}, constraint="clip", batch_size=2, init_codes="prior"
    )
    assert (config.steps, config.patience, config.lr) == (7, None, None)
    found = invert(generator, images, torch.zeros(5, 3), config, keep=(6,))
    z, length = torch.zeros(5, 3), 0.1
    for _ in range(6):
        error = z @ generator.weight.T - images.flatten(1)
        z, length = (z - length * (error @ generator.weight).sign()).clamp(-1, 1), length * 0.9
    assert torch.allclose(found.kept_z[:, 0], z.detach(), atol=1e-6)


def test_its_settings_are_checked_and_shown_where_they_are(own):
    settings = InversionConfig(solver="signs", solver_settings={"decay": 0.5})
    shown = settings.model_dump(mode="json")
    assert shown["solver_settings"] == {"length": 0.1, "decay": 0.5}
    assert InversionConfig.model_validate(shown) == settings
    assert "solver_settings" not in InversionConfig(solver="adam").model_dump(mode="json")
    assert settings_of(settings) == ["signs", "7 steps", "length 0.1", "decay 0.5"]
    under = "inversion.solver_settings"
    assert mistakes(solver="signs") == {f"{under}.decay": "is required"}
    wrong = mistakes(solver="signs", solver_settings={"decay": -1, "lenght": 2}, steps=0)
    assert wrong["inversion.steps"].startswith("should be greater")
    assert wrong[f"{under}.decay"] == "should be greater than 0, but got -1"
    assert wrong[f"{under}.lenght"] == "no such key; did you mean 'length'?"
    assert mistakes(solver="adam", solver_settings={"decay": 1})[under].startswith(
        "adam has no settings of its own: remove them"
    )
    assert mistakes(solver="sings") == {"inversion.solver": "'sings': no such solver; did you mean 'signs'?"}


def test_rules_hold_for_a_plugins_solver_and_loss(own):
    for settings, why in (
        ({"solver": "signs", "lr": 0.1}, "signs finds its own step lengths: remove lr"),
        ({"solver": "signs", "precision": "mixed"}, "signs needs losses more exact than bfloat16's"),
        ({"solver": "levenberg-marquardt", "loss": "l1"}, "minimises squares only: use another solver with"),
        ({"solver": "levenberg-marquardt", "whiten": True}, "makes no use of whitening: remove whiten"),
    ):
        given = {"solver_settings": {"decay": 1.0}} if settings["solver"] == "signs" else {}
        with pytest.raises(ValidationError, match=why):
            InversionConfig.model_validate(settings | given)


def test_what_is_no_solver_or_loss_is_refused(own):
    with pytest.raises(ValidationError, match=r"of preimage-extra 1.2 is no solver: it must be .*SolverKind"):
        InversionConfig(solver="wrong")
    with pytest.raises(InversionError, match="a solver needs `searches`, `begin` and `step`"):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), InversionConfig(solver="nothing"))
    with pytest.raises(PluginError, match="is no loss: it must be a function of images and targets"):
        LOSSES["config"]
    with pytest.raises(InversionError, match="one number per image"):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), InversionConfig(loss="summed"))


@pytest.mark.parametrize("loss", ["l1", "l1-module"])
def test_a_loss_is_minimised_by_name(own, loss):
    generator, images = Linear(), seeded(5, 1, 4, 4, seed=1)
    found = invert(generator, images, torch.zeros(5, 3), InversionConfig(loss=loss, steps=9))
    with torch.no_grad():
        made = (generator(found.z) - images).abs().mean((1, 2, 3))
    assert torch.allclose(found.loss, made, atol=1e-6)
    assert (found.loss < images.abs().mean((1, 2, 3))).all()


def test_a_job_knows_the_plugins_that_it_uses(own):
    inversion = {"solver": "signs", "solver_settings": {"decay": 1.0}, "loss": "l1"}
    assert plugins_of(InvertJob.model_validate({"generator": "g", "inversion": inversion})) == {
        "preimage-extra": "1.2"
    }
    assert plugins_of(InvertJob.model_validate({"generator": "g"})) == {}
    schema = InversionConfig.model_json_schema()
    assert schema["properties"]["solver"]["enum"][-3:] == ["nothing", "signs", "wrong"]
    (rule,) = schema["allOf"]
    assert rule["if"]["properties"] == {"solver": {"const": "signs"}}
    assert rule["then"]["properties"]["solver_settings"]["required"] == ["decay"]


def test_every_built_in_solver_is_a_kind():
    assert {name for name in SOLVERS if SOLVERS[name].lr is None} == {
        "lbfgs",
        "levenberg-marquardt",
        "gauss-newton",
    }
    assert "allOf" not in InversionConfig.model_json_schema()
