import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from preimage.specs.search import SamplerConfig, Space
from preimage.tuning.plots import optuna_plots
from preimage.tuning.records import TrialRecord
from study_reports import complete, study

EVERY = {"history", "importances", "slice", "parallel-coordinate"}
CURVES = "curves.png"
NAMES = ("adam", "sgd", ["a", "list"])
RATES = {
    "optimizer.lr": Space.model_validate({"log-uniform": (1e-5, 1e-1)}),
    "optimizer.name": Space.model_validate({"choice": NAMES}),
    "optimizer.momentum": Space.model_validate({"uniform": (0.0, 0.9), "when": {"optimizer.name": "sgd"}}),
    "model.depth": Space.model_validate({"int": (1, 8), "log": True}),
}


def rates(**changes):
    """A study of one objective over all kinds of spaces."""
    sampler = SamplerConfig.model_validate({"name": "tpe"})
    return replace(study(), space=RATES, objectives={"loss": "minimize"}, sampler=sampler, **changes)


def tried(count, states=("complete",)):
    records = []
    for i in range(count):
        name = NAMES[i % 3]
        params = {"optimizer.lr": 10.0 ** (-1 - i % 4), "optimizer.name": name}
        params |= {"optimizer.momentum": 0.07 * i} if name == "sgd" else {}
        params["model.depth"] = 1 + i % 5
        state, value = states[i % len(states)], 1.0 + (i * 7) % 11
        about = {"number": i, "params": params, "state": state, "intermediate": ((100, value),)}
        about |= {"values": {"loss": value}} if state == "complete" else {}
        records.append(TrialRecord.model_validate(about))
    return records


def drawn(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("L")).std() > 1


def test_optunas_pictures_of_every_kind_of_space_with_stopped_and_failed_trials():
    pictures, remarks = optuna_plots(rates(), tried(12, ("complete", "stopped", "complete", "failed")))
    assert set(pictures) == {f"{name}.png" for name in EVERY} | {CURVES}
    assert all(map(drawn, pictures.values()))
    assert remarks == []


def test_several_objectives_have_their_own_pictures_and_a_pareto_front():
    spec = study()
    grid = [(3, 4), (3, 8), (4, 4), (4, 8)]
    records = [
        complete(
            i,
            {"agreement.pag": 1.0 + i, "codes.reconstruction_error": 5.0 - i},
            dict(zip(spec.space, sizes, strict=True)),
        )
        for i, sizes in enumerate(grid)
    ]
    pictures, _ = optuna_plots(spec, records)
    own = {f"{name}-{each}.png" for name in EVERY for each in ("pag", "reconstruction_error")}
    assert set(pictures) == own | {"pareto-front.png"}
    assert pictures["history-pag.png"] != pictures["history-reconstruction_error.png"]


@pytest.mark.parametrize(
    ("records", "there", "why"),
    [
        ([], set(), "no trial is complete"),
        (tried(1, ("failed",)), set(), "no trial is complete"),
        (tried(1), {"history.png"}, "one complete trial says nothing about the parameters"),
        (
            [each.model_copy(update={"values": {"loss": 1.0}}) for each in tried(3)],
            {"history.png", "slice.png", "parallel-coordinate.png"},
            "No importances.png: the objective is the same for all trials.",
        ),
        (
            [each.model_copy(update={"params": {"model.depth": 2}}) for each in tried(3)],
            {"history.png", "slice.png", "parallel-coordinate.png"},
            "No importances.png: every parameter that all trials have is the same for all of them.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(records, there, why):
    pictures, remarks = optuna_plots(rates(), records)
    assert set(pictures) - {CURVES} == there
    assert (CURVES in pictures) == any(each.state == "complete" for each in records)
    assert len(remarks) == len(EVERY) - len(there)
    assert any(why in each for each in remarks)


def test_a_value_that_is_not_a_number_is_no_obstacle():
    records = tried(6)
    records[2] = records[2].model_copy(update={"values": {"loss": float("nan")}})
    assert set(optuna_plots(rates(), records)[0]) == {f"{name}.png" for name in EVERY} | {CURVES}


def test_drawing_leaves_pyplot_as_it_was():
    before = (pyplot.get_backend(), dict(mpl.rcParams), pyplot.get_fignums())
    optuna_plots(rates(), tried(4))
    assert (pyplot.get_backend(), dict(mpl.rcParams), pyplot.get_fignums()) == before
