"""Every verb finds the same results: --results, then the spec's key, then PREIMAGE_RESULTS, then results/."""

import json

import pytest

from shell import SPEC, Shell

QUICK = SPEC.replace("total_images: 480", "total_images: 120")


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    (tmp_path / "job.yaml").write_text(QUICK)
    (tmp_path / "own.yaml").write_text(QUICK + "results: from-spec\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREIMAGE_RESULTS", raising=False)
    return Shell(monkeypatch, capsys)


def root_of(said):
    assert said.code == 0, said.err
    place = next(line for line in said.out.splitlines() if line.startswith("  results"))
    return place.split()[1].rsplit("/runs/", 1)[0].rsplit("/", 1)[1]


def test_run_and_plan_take_the_first_that_names_one(shell, monkeypatch):
    assert root_of(shell("plan", "job.yaml")) == "results"
    monkeypatch.setenv("PREIMAGE_RESULTS", "from-variable")
    assert root_of(shell("plan", "job.yaml")) == "from-variable"
    assert root_of(shell("plan", "own.yaml")) == "from-spec"
    assert root_of(shell("plan", "own.yaml", "--results", "from-option")) == "from-option"
    assert root_of(shell("plan", "own.yaml", "results=from-override")) == "from-override"
    said = shell("plan", "own.yaml", "results=a", "--results", "b")
    assert (said.code, "--results b and results=a differ" in said.err) == (2, True)


def test_preparing_data_takes_the_root_as_an_override_too(shell):
    said = shell("data", "prepare", "digits", "results=a", "--results", "b")
    assert (said.code, "--results b and results=a differ" in said.err) == (2, True)
    said = shell("data", "prepare", "digits", "results=s3:/x")
    assert (said.code, "'s3:/x' is not a URI" in said.err) == (2, True)


def test_a_run_is_found_again_by_name_wherever_the_results_are(shell, monkeypatch, tmp_path):
    said = shell("run", "job.yaml", "--json")
    run = json.loads(said.out.splitlines()[-1])["run"]
    assert "results" not in (tmp_path / f"results/runs/{run}/spec.yaml").read_text()
    (tmp_path / "results").rename(tmp_path / "moved")
    monkeypatch.setenv("PREIMAGE_RESULTS", str(tmp_path / "moved"))
    assert "already finished" in shell("run", run).out
    assert "already finished" in shell("run", "job.yaml").out
    assert not (tmp_path / "results").exists()
    monkeypatch.delenv("PREIMAGE_RESULTS")
    assert "nor a spec that comes with Preimage, nor a run under" in shell("run", run).err
    assert "already finished" in shell("run", run, "--results", "moved").out


def test_a_default_that_was_stored_counts_as_unset(shell, monkeypatch, tmp_path):
    run = json.loads(shell("run", "job.yaml", "--json").out.splitlines()[-1])["run"]
    spec = tmp_path / f"results/runs/{run}/spec.yaml"
    spec.write_text(spec.read_text() + "results: results\n")
    (tmp_path / "results").rename(tmp_path / "moved")
    monkeypatch.setenv("PREIMAGE_RESULTS", "moved")
    assert "already finished" in shell("run", run).out
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "verb",
    [
        ("store", "show", "invert-x"),
        ("store", "verify", "invert-x"),
        ("study", "show", "study-x"),
        ("study", "pick", "study-x", "0", "best"),
        ("ui",),
        ("status", "x"),
        ("logs", "x"),
        ("stop", "x"),
    ],
    ids=" ".join,
)
def test_other_verbs_look_in_the_same_place(shell, monkeypatch, verb, tmp_path):
    (tmp_path / "from-option").mkdir()
    (tmp_path / "from-variable").mkdir()
    monkeypatch.setenv("PREIMAGE_RESULTS", "from-variable")
    looked = {name: shell(*verb, *option) for name, option in {
        "from-variable": (), "from-option": ("--results", "from-option")
    }.items()}  # fmt: skip
    for place, said in looked.items():
        assert said.code == 2
        assert f"{tmp_path}/{place}" in said.err


def test_jobs_says_where_it_looked(shell, monkeypatch, tmp_path):
    monkeypatch.setenv("PREIMAGE_RESULTS", "from-variable")
    assert f"no submissions under {tmp_path}/from-variable" in shell("jobs").out


@pytest.mark.parametrize("address", ["s3:/bucket/x", "$NOT_SET_ANYWHERE/x"])
def test_an_address_that_nobody_means_is_refused_by_every_verb(shell, address, tmp_path):
    before = {each.name for each in tmp_path.iterdir()}
    for verb in (("run", "job.yaml"), ("plan", "job.yaml"), ("jobs",), ("ui",), ("store", "show", "x")):
        said = shell(*verb, "--results", address)
        assert said.code == 2
        assert address in said.err
    assert {each.name for each in tmp_path.iterdir()} == before
