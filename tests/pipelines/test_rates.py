"""How long a plan takes, by what earlier runs took."""

import json

import pytest

import preimage
from preimage import hardware
from preimage.pipelines import rates
from preimage.pipelines.description import Time
from preimage.pipelines.hours import hardware_here, in_all
from preimage.pipelines.rates import Rates
from preimage.runs.run_folder import RunFolder
from shell import SPEC, Shell

HERE = {"cpu": "A", "instructions": "avx2", "cores": 2}
PACE = {"model.base_channels": 8, "training.batch_size": 24, "optimizer.name": "adam"}
COST = {"images seen": 1000, "steps": 10, "generator evaluations": 2000}


def add(root, number, seconds, cost=COST, pace=PACE, on=HERE):
    name = f"train-gan-{number:010x}"
    about = {"run": name, "seconds": seconds, "cost": cost, "hardware": on, "pace": pace}
    RunFolder(root / "runs" / name).folder.write_json(rates.FILE, about)
    return name


def measured(root, cost=COST, pace=PACE, on=HERE):
    return Rates(root).measured("train-gan", cost, pace, on)


def times(cost, factor):
    return {name: round(count * factor) for name, count in cost.items()}


def test_an_equal_run_tells_and_is_named(folder):
    name = add(folder, 1, 60.0)
    found = measured(folder, times(COST, 10))
    assert found is not None
    assert (found.seconds, found.run, found.differs, found.times) == (600.0, name, (), 10.0)
    assert found.rate == "17 images seen/s"
    assert "measured by train-gan-0000000001 on this hardware (2 cores, AVX2)" in rates.basis(found, True)
    assert "1/10 of the work" in rates.basis(found, True)
    assert "the cluster's hardware is not known here" in rates.basis(found, False)


def test_of_equal_runs_the_one_of_the_nearest_size_tells(folder):
    add(folder, 1, 30.0, times(COST, 0.01))
    name = add(folder, 2, 900.0, times(COST, 10))
    add(folder, 3, 9e9, times(COST, 1e6))
    found = measured(folder, times(COST, 20))
    assert found is not None
    assert (found.run, found.seconds) == (name, 1800.0)


@pytest.mark.parametrize(
    "other",
    [
        {"on": HERE | {"instructions": "avx512"}},
        {"on": HERE | {"cores": 4}},
        {"on": HERE | {"gpu": "H200"}},
        {"pace": PACE | {"model.base_channels": 16}},
        {"pace": PACE | {"training.batch_size": 48}},
        {"pace": PACE | {"images.shape": [3, 64, 64]}},
        {"cost": {"codes": 5}},
        {"seconds": 0.0},
    ],
)
def test_another_machine_another_network_or_other_counts_tell_nothing(folder, other):
    add(folder, 1, **({"seconds": 60.0} | other))
    assert measured(folder) is None


def test_a_similar_run_tells_if_no_equal_one_does_and_it_is_said(folder):
    add(folder, 1, 60.0, pace=PACE | {"optimizer.name": "sgd"})
    found = measured(folder)
    assert found is not None
    assert "similar, it differs in optimizer.name" in rates.basis(found, True)
    equal = add(folder, 2, 61.0, times(COST, 0.5))
    found = measured(folder)
    assert found is not None
    assert found.run == equal


def test_where_the_hardware_is_not_known_any_tells(folder):
    add(folder, 1, 60.0, on=HERE | {"gpu": "H200"})
    found = measured(folder, on=None)
    assert found is not None
    assert "where it ran" in rates.basis(found, False)
    assert "(H200, 2 cores, AVX2)" in rates.basis(found, False)


def test_a_file_that_is_none_of_ours_tells_nothing(folder):
    name = add(folder, 1, 60.0)
    (folder / "runs" / name).write_json(rates.FILE, {"seconds": "many"})
    assert measured(folder) is None
    add(folder, 2, 60.0)
    (folder / "runs" / "train-gan-other").write_json(rates.FILE, {"seconds": "many"})
    assert measured(folder) is not None


def test_times_add_up_and_what_is_not_known_is_named():
    known, unknown = Time(30.0, "measured"), Time(None, "nobody knows")
    assert in_all([("a", known), ("b", known)]) == Time(60.0, "for a, b")
    assert in_all([("a", known), ("b", unknown)]).text == "about 30 seconds, for a; not known: b"
    assert in_all([("b", unknown)]).seconds is None


def test_a_finished_run_tells_what_the_next_one_takes(tmp_path, monkeypatch, capsys):
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    shell, at = Shell(monkeypatch, capsys), ("--results", str(tmp_path / "results"))
    before = json.loads(shell("plan", str(spec), "--json", *at).out)
    assert before["seconds"] is None
    assert "--measure" in before["steps"][0]["basis"]
    timed = json.loads(shell("plan", str(spec), "--json", "--measure", *at).out)
    assert timed["seconds"] > 0
    outcome = preimage.run(str(spec), results=str(tmp_path / "results"))
    assert outcome.seconds is not None
    assert outcome.seconds > 0
    assert outcome.cost["images seen"] == 480
    planned = preimage.plan(str(spec), "seed=1", results=str(tmp_path / "results"))
    assert outcome.hardware == hardware_here(preimage.jobs.TrainGanJob(**_job()).resources)
    found = planned.describe().sections[0]
    assert found.seconds == pytest.approx(outcome.seconds)
    assert outcome.run in found.basis
    changes = ["seed=1", "training.total_images=960"]
    twice = preimage.plan(str(spec), changes, results=str(tmp_path / "results"))
    assert twice.describe().time.seconds == pytest.approx(2 * outcome.seconds)
    other = preimage.plan(str(spec), "model.base_channels=8", results=str(tmp_path / "results"))
    assert other.describe().time.seconds is None


def _job():
    return {
        "data": {"source": "digits", "size": 16, "channels": 1},
        "resources": {"backend": "local"},
    }


def test_hardware_says_what_torch_uses(monkeypatch):
    hardware._machine.cache_clear()
    assert set(hardware.machine()) >= {"cpu", "instructions"}
    monkeypatch.setenv(hardware.TORCH, "avx2")
    hardware._machine.cache_clear()
    assert hardware.machine()["instructions"] == "avx2"
    hardware._machine.cache_clear()
    assert hardware.text({"cpu": "A", "instructions": "avx2", "cores": 1}) == "1 core, AVX2"
