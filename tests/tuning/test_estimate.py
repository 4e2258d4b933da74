"""What `preimage plan` says of a study, and the two verbs in a shell."""

import json

import pytest
import yaml

from preimage.tuning.estimate import estimate
from preimage.tuning.study import run_study
from shell import Shell
from studies import GRID, JOB, LEARNING_RATES, PIPELINE, planned, text_of

BATCHES = {"model.kernel_size": {"choice": [3, 4]}, "training.total_images": {"choice": [480, 960]}}


def test_a_grid_costs_what_its_points_cost(tmp_path):
    found = estimate(planned(GRID | {"space": BATCHES}, tmp_path))
    assert found.counts["generator evaluations"] == 2 * (2 * 480 + 2 * 960)
    assert (found.ended, found.at_once, found.drawn, found.impossible) == (0, 1, 0, 0)
    assert found.rate is not None
    assert found.seconds == pytest.approx(found.counts["generator evaluations"] / found.rate)
    assert not (tmp_path / "runs").exists(), "nothing was written"


def test_a_sampler_costs_the_mean_of_random_points_times_its_trials(tmp_path):
    found = estimate(planned(LEARNING_RATES, tmp_path, "trials=64", "trial.resources.backend=ray"))
    assert found.drawn == 32
    assert found.counts["generator evaluations"] == 64 * 2 * 480
    assert 1 <= found.at_once <= 2


def test_what_is_finished_and_what_is_shared_is_not_counted_twice(tmp_path):
    spec = {
        "trial": PIPELINE,
        "space": {"codes.seed": {"choice": [0, 1, 2]}},
        "objectives": {"prior.pag": "minimize"},
        "sampler": {"name": "grid"},
    }
    plan = planned(spec, tmp_path)
    before = estimate(plan)
    assert before.shared == ("train",)
    assert before.counts["generator evaluations"] == 2 * 480
    assert before.counts["generator evaluations at most"] == 3 * 2 * 200 * 5
    run_study(plan)
    after = estimate(planned(spec, tmp_path))
    assert (after.ended, after.counts, after.shared, after.seconds) == (3, {}, (), None)


def test_points_that_no_trial_can_be_run_at_are_counted(tmp_path):
    spec = GRID | {"space": {"training.batch_size": {"choice": [24, 2400]}}}
    assert estimate(planned(spec, tmp_path)).impossible == 1, "there are 200 images"


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    (tmp_path / "study.yaml").write_text(text_of(GRID, tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def test_a_study_is_planned_and_run_and_planned_in_a_shell(shell, tmp_path):
    said = shell("plan", "study.yaml")
    assert said.code == 0
    assert "6 trials, 0 already ended" in said.out
    assert "nothing was started" in said.out
    said = shell("run", "study.yaml", "--json", "space={model.kernel_size: {choice: [3, 4]}}")
    assert said.code == 0
    outcome = json.loads(said.out.splitlines()[-1])
    assert (outcome["job"], outcome["metrics"]["complete"]) == ("study", 2)
    assert "best so far: trial" in said.err
    again = shell("plan", outcome["folder"])
    assert "2 trials, 2 already ended" in again.out
    assert "all 2 trials have already ended" in shell("run", outcome["folder"]).out
    stored = yaml.safe_load((tmp_path / "results/runs" / outcome["run"] / "spec.yaml").read_text())
    assert stored["trials"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["space.model.base_chanels={choice: [1]}"], "did you mean 'base_channels'?"),
        (["--fresh"], "--fresh is for jobs and pipelines"),
        (["trial.resources.workers=2"], "local"),
        (["trial.training.batch_size=2400"], "2400"),
    ],
)
def test_a_mistake_in_a_study_is_one_message(shell, changes, message):
    said = shell("run", "study.yaml", *changes)
    assert (said.code, said.err.count("error:")) == (2, 1)
    assert message in said.err
    assert JOB["job"] not in said.out
