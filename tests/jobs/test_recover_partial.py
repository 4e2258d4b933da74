"""Recovery from partial measurements: the job from generator to table, on a tiny generator."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.inversion import conditioning
from preimage.inversion.masks import HALVES
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.base import Context
from preimage.jobs.recover_partial.job import RecoverPartialJob, sweep_rates
from preimage.jobs.recover_partial.report import (
    FAMILIES,
    MASKS,
    MeasurementResult,
    RecoverPartialReport,
    half_recovered,
)
from preimage.jobs.recover_partial.run import summarise
from preimage.jobs.recover_partial.trial import PartialRecovery
from preimage.jobs.references import GeneratorRef, references
from preimage.metrics.normality import Normality
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder

CPU = torch.device("cpu")

INVERSION = {"solver": "adam", "lr": 0.1, "steps": 400, "patience": None, "init_codes": "prior"}


def config(**settings):
    return RecoverPartialJob.model_validate(
        {"generator": "g", "images": 4, "inversion": INVERSION} | settings
    )


@pytest.fixture
def generator(tiny_generator, folder):
    write_generator(tiny_generator, folder / "generator", {})
    return folder / "generator"


def context(folder, generator):
    settings = Resources(backend="local", gpu=False)
    return Context(RunFolder(folder / "run"), Catalog(folder), "", settings, inputs={"generator": generator})


@given(
    rates=st.lists(st.floats(1e-4, 1), min_size=1, max_size=8).map(tuple),
    height=st.sampled_from([8, 12, 32]),
    width=st.sampled_from([8, 16, 30]),
)
def test_a_sweep_sees_what_it_says_and_nothing_twice(rates, height, width):
    shape = (1, height, width)
    swept = sweep_rates(rates, shape)
    assert list(swept) == list(FAMILIES)
    for family, by_share in swept.items():
        lines = height if family in ("top", "bottom") else width
        whole = height * width if family in ("random", "gaussian") else lines
        assert sorted(by_share) == sorted({round(rate * whole) / whole for rate in rates} - {0})
        for share, seen in by_share.items():
            if family == "gaussian":
                assert make_measurement(seen, shape).reduced == (round(share * whole),)
                continue
            masks = make_measurement(seen, shape).masks(torch.arange(1))
            assert (1 if masks is None else masks.mean()) == share
            assert seen.mask == ("all" if share == 1 else family)


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ({}, None),
        ({0.1: 0.0, 0.5: 0.49}, None),
        ({0.1: 0.5, 0.5: 1.0}, 0.1),
        ({0.1: 0.0, 0.3: 1.0}, 0.2),
        ({0.5: 0.9, 0.1: 0.0, 0.2: 0.25, 0.4: 0.75}, 0.3),
        ({0.1: 0.0, 0.2: 0.5, 0.3: 0.4, 0.4: 1.0}, 0.2),
    ],
)
def test_half_recovered_is_where_the_line_first_crosses_one_half(line, share):
    assert half_recovered(line) == (share if share is None else pytest.approx(share))


def test_an_image_that_diverged_is_not_recovered_and_spoils_no_metric():
    found = {
        "z": torch.zeros(4, 2),
        "z_error": torch.tensor([1e-9, 1e-3, 1e-9, torch.nan]),
        "hidden_error": torch.tensor([0.1, 0.2, torch.inf, torch.nan]),
        "passes": torch.tensor([10, 20, 1000, 1000]),
        "diverged": torch.tensor([False, False, True, True]),
    }
    result = summarise(found, 1e-4)
    assert result.recovered == 0.25
    assert result.hidden_error == pytest.approx(0.15)
    assert result.z_error == pytest.approx(1e-9)
    assert (result.evaluations, result.diverged) == (15, 2)


def test_a_trial_measures_the_errors_of_what_it_found(generator, tiny_generator):
    trial = PartialRecovery(generator, config().inversion, 4, seed=3)
    found = trial(MeasurementConfig(mask="top"), CPU)
    again = trial(MeasurementConfig(mask="top"), CPU)
    assert all(torch.equal(found[name], again[name]) for name in found)
    shown = trial.completion(MeasurementConfig(mask="top"), found["z"])
    with torch.no_grad():
        assert torch.allclose(shown.completed, tiny_generator(found["z"]), atol=1e-5)
    assert torch.equal(shown.measured[:, :, :8], shown.truth[:, :, :8])
    assert (shown.measured[:, :, 8:] == 0).all()
    hidden = (shown.completed - shown.truth)[:, :, 8:].square().mean((1, 2, 3))
    assert torch.allclose(found["hidden_error"], hidden, rtol=1e-3, atol=1e-9)
    assert (found["z_error"] < 1e-4).any()
    assert found["hidden_error"][found["z_error"] < 1e-6].max() < 1e-4


def test_where_all_is_seen_no_error_is_hidden(generator):
    trial = PartialRecovery(generator, config(inversion=INVERSION | {"steps": 2}).inversion, 2, seed=0)
    assert trial(MeasurementConfig(), CPU)["hidden_error"].isnan().all()


def test_through_an_operator_all_is_hidden_and_its_adjoint_is_shown(generator):
    trial = PartialRecovery(generator, config().inversion, 3, seed=3)
    seen = MeasurementConfig(operator="gaussian", rate=0.1)
    found = trial(seen, CPU)
    shown = trial.completion(seen, found["z"])
    assert torch.allclose(found["hidden_error"], (shown.completed - shown.truth).square().mean((1, 2, 3)))
    assert shown.measured.shape == shown.truth.shape
    assert (found["smallest"] > 0).all()
    assert (found["condition"] >= 1).all()


def test_a_condition_that_memory_has_no_room_for_is_left_out_with_a_warning(generator, monkeypatch, caplog):
    monkeypatch.setattr(conditioning, "free_memory", lambda device: 0)
    trial = PartialRecovery(generator, config(inversion=INVERSION | {"steps": 2}).inversion, 2, seed=0)
    assert "condition" not in trial(MeasurementConfig(mask="top"), CPU)
    assert "the Jacobian of 256 pixels by 4 components needs" in caplog.text


def test_a_job_gives_figures_a_table_and_metrics(folder, generator):
    quick = {"solver": "levenberg-marquardt", "steps": 15, "init_codes": "prior"}
    measurements = [{"mask": name, "rate": 0.5} for name in MASKS] + [{"operator": "gaussian", "rate": 0.5}]
    settings = config(rates=(0.25, 1.0), inversion=quick, measurements=measurements)
    result = run_job(settings, context(folder, generator))
    assert [each.name for each in settings.metrics() if each.headline] == [
        f"recovered_{name}" for name in FAMILIES
    ]
    assert result.metrics["recovered_random"] >= 0.5
    by_rate = result.metrics["recovered_by_rate"]
    assert {name: list(line) for name, line in by_rate.items()} == {name: ["0.25", "1"] for name in FAMILIES}
    assert len({by_rate[name]["1"] for name in MASKS}) == 1
    assert result.metrics["recovered_gaussian"] >= 0.5
    assert list(result.metrics["conditioning"]) == list(FAMILIES)
    assert list(result.metrics["normality"]) == ["layer1", "layer2", "layer3"]
    trials = folder / "run" / "trials"
    assert len(trials.names()) == 6 + 6 + 2
    assert list(result.figures) == ["measurements.png", "transition.png", "weights.png"]
    for picture in result.figures.values():
        assert np.asarray(Image.open(io.BytesIO(picture))).std() > 1
    assert "| random |" in (result.table or "")
    before = {name: trials.modified_ms(name) for name in trials.names()}
    trials.remove("left-0.25.safetensors")
    assert run_job(settings, context(folder, generator)) == result
    again = {name: trials.modified_ms(name) for name in trials.names()}
    assert [name for name in before if before[name] != again[name]] == ["left-0.25.safetensors"]


def test_the_table_says_what_was_found_and_what_the_paper_says():
    found = MeasurementResult(0.75, 2e-9, 3e-4, evaluations=1234.5, diverged=0, smallest=2e-6, condition=5e3)
    report = RecoverPartialReport(
        images=8,
        threshold=1e-4,
        latent_dim=10,
        numbers=256,
        measurements={"random": found, "scribble": replace(found, smallest=None, condition=None)},
        rates={"random": {0.1: 0.0, 0.3: 1.0}, "top": {0.1: 0.0}},
        fits={"layer1": Normality(count=100, mean=0.01, std=0.02, ks=0.05, excess_kurtosis=1.5)},
        diverged=0,
    )
    lines = report.table().splitlines()
    assert "| random | 75% | all | 2.0e-09 | 3.0e-04 | 1,234 | 2.0e-06 | 5,000 |" in lines
    assert "| scribble | 75% |  | 2.0e-09 | 3.0e-04 | 1,234 | - | - |" in lines
    assert "| 30.00% | 100% |  |" in lines
    assert "| **half recovered at** | 20.0% | never |" in lines
    assert "| layer1 | 100 | 0.500 | 0.0500 | 0.0886 | 1.50 |" in lines
    assert report.metrics()["half_recovered_top"] is None


def test_without_settings_it_is_the_papers_experiment():
    settings = RecoverPartialJob.model_validate({"generator": "g"})
    assert references(settings) == {"generator": "g"}
    assert isinstance(settings.generator, GeneratorRef)
    assert [(each.mask, each.rate) for each in settings.measurements] == [
        (name, 0.5) for name in ("random", *HALVES)
    ]
    inversion = settings.inversion
    assert (inversion.solver, inversion.lr, inversion.steps) == ("adam", 0.1, 500)
    assert inversion.restart_negative
    assert settings.cost(None) == {"trials at most": 89, "steps at most": 89 * 100 * 2 * 500}


def test_measurements_that_cannot_be_told_apart_or_contradict_are_refused():
    with pytest.raises(
        ValidationError, match="measurements must differ in their names, but several are called top"
    ):
        config(measurements=[{"mask": "top"}, {"mask": "top", "noise": 0.1}])
    with pytest.raises(ValidationError, match="measurements says what is seen: remove inversion.measurement"):
        config(inversion=INVERSION | {"measurement": {"mask": "top"}})
    with pytest.raises(ValidationError, match="greater than 0"):
        config(rates=[0.0])
