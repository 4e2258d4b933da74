"""How the searches of a `recover` job are summed up and tabulated."""

import pytest
import torch

from preimage.inversion.conditioning import LocalRate, Spectra
from preimage.inversion.config import InversionConfig
from preimage.jobs.recover.condition import Condition, Predicted
from preimage.jobs.recover.metrics import Way
from preimage.jobs.recover.report import RecoverReport
from preimage.jobs.recover.results import (
    Distances,
    RecoveredCodes,
    baseline,
    budget,
    distances,
    recovered_codes,
)
from preimage.latents.priors import Uniform


def found(z, diverged=None, **others):
    n = len(z)
    return {
        "z": z,
        "loss": torch.full((n,), 0.5),
        "passes": torch.full((n,), 10),
        "setup": torch.tensor([8, 8]),
        "diverged": torch.zeros(n, dtype=torch.bool) if diverged is None else torch.tensor(diverged),
    } | others


def test_a_code_is_recovered_below_a_threshold_unless_its_search_diverged():
    codes = torch.zeros(9, 5)
    z = torch.tensor([0.0, 0.05, 0.5, torch.nan])[:, None].expand(4, 5)
    each = recovered_codes(found(z, diverged=[False, False, False, True]), codes, (1e-3, 1e-2, 1.0))
    assert each.success == {1e-3: 0.25, 1e-2: 0.5, 1.0: 0.75}
    assert each.error == pytest.approx((0.05**2 + 0.5**2) / 3)
    assert each.median == pytest.approx(0.05**2)
    assert (each.evaluations, each.diverged) == (10 + 16 / 4, 1)


def test_what_is_not_recovered_is_counted_with_its_reason_and_its_components_at_the_bounds():
    z = torch.tensor([[0.0, 0.0], [1.0, -1.0], [1.0, 0.5], [0.5, 0.5], [0.0, torch.nan]])
    given = found(z, diverged=[False] * 4 + [True], reason=torch.tensor([0, 3, 3, 2, 3]))
    each = recovered_codes(given, torch.zeros(5, 2), (1e-4, 1.0))
    assert (each.missed, each.at_bounds, each.components_at_bounds) == (4, 2, 3 / 4)
    assert each.reasons == {"rank": 0, "saturation": 0, "another code": 1, "stopped": 3, "unknown": 0}


def test_distances_are_norms_divided_by_the_number_of_components_within_an_image():
    z = torch.zeros(6, 10)
    z[1, :2] = torch.tensor([3.0, 4.0])  # 5 from the others of its image
    z[3:] = 100  # another image's
    z[5] = torch.nan
    each = distances(found(z, diverged=[False] * 5 + [True]), repeats=3)
    assert each.mean == pytest.approx((5 + 5 + 0 + 0) / 4 / 10)
    assert (each.image_error, each.diverged) == (0.5, 1)


def test_the_baseline_is_the_one_that_the_paper_prints():
    assert baseline(Uniform(100), seed=0) == pytest.approx(0.0815, rel=5e-3)


def test_the_budget_is_what_all_but_a_twentieth_of_the_codes_need():
    evaluations = torch.arange(1, 41)
    recovered = evaluations != 7
    assert budget(evaluations, recovered) == 39  # 38 of 40, without the seventh
    assert budget(evaluations, evaluations > 2) == 40
    assert budget(evaluations, evaluations > 3) is None


def test_the_table_says_what_was_found_and_what_the_paper_prints():
    one = RecoveredCodes(
        success={1e-4: 0.75, 0.5: 1.0},
        error=0.02,
        median=3e-9,
        evaluations=2259.4,
        diverged=1,
        missed=2,
        at_bounds=1,
        components_at_bounds=0.5,
        reasons={"rank": 0, "saturation": 0, "another code": 0, "stopped": 2, "unknown": 0},
        budget=3000.0,
    )
    many = Distances(mean=2.5e-4, median=1e-5, image_error=0.0312, evaluations=1000, diverged=1)
    way = Way("descent", "clip")
    eigenvalues = torch.tensor([[0.02, 0.5], [0.01, 0.4]]).double()
    rate = LocalRate(eigenvalues, torch.ones(2, 2).double(), lr=2.5, lr_halving_steps=None, steps=100)
    predicted = Predicted(
        InversionConfig(solver="gradient-descent", lr=2.5), rate.errors, rate.steps_to(1e-4)
    )
    report = RecoverReport(
        codes=8,
        noisy_codes=4,
        unseen=2,
        repeats=5,
        recovered={way: one},
        noisy={way: {0.5: one}},
        distances={way: many},
        baseline=0.0816,
        condition=Condition(Spectra(eigenvalues), {"descent": predicted}, 1e-4),
        heading=["Generator: a net."],
    )
    lines = report.table().splitlines()
    assert "| descent | standard clipping | 75.0% | 100.0% | 3.0e-09 | 2,259 | 3,000 |" in lines
    assert "| descent | as its local rate predicts | 0.0% | 0.0% | 5.0e-01 |  |  |" in lines
    assert "| the paper's | standard clipping | 98.4% |  |  | 200,000 |  |" in lines
    assert "| descent | standard clipping | 2 | 1 | 0.5 | 0 | 0 | 0 | 2 | 0 |" in lines
    assert "| 1.0e-02 | 1.0e-02 | 5.0e-01 | 25 | 2 |" in lines
    assert any(line.startswith("descent: rate 2.5 is beyond the limit.") for line in lines)
    assert "| 0.5 | 2.0e-02 (3.0e-09) |" in lines
    assert "| descent | standard clipping | 2.50e-04 | 1.36e-04 | 1.00e-05 | 0.0312 | 1,000 |" in lines
    assert "|  | codes of the prior | 8.16e-02 | 8.15e-02 |  |  |  |" in lines
    metrics = report.metrics()
    assert metrics["diverged"] == 3
    assert metrics["z_error_median_by_noise"] == {"descent": {"clip": {"0.5": 3e-9}}}
    assert metrics["unrecovered"]["descent"]["clip"]["share_at_bounds"] == 0.5
    assert metrics["stability_limit"] == 2
