"""`preimage store import` and `export`, and the jobs that take what was imported."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shell import Shell

RUNS = """\
steps:
  prior: {job: fit-prior, store: codes, kind: gaussian}
  compare: {job: compare-priors, store: codes, priors: {normal: normal, gaussian: prior}}
  fit: {job: pag, store: codes, std: 1}
  analyze: {job: analyze-codes, store: codes, codes: 40, samples: 40, shown: 5}
resources: {backend: local}
tracking: {uri: none}
"""


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    z = pa.FixedSizeListArray.from_arrays(pa.array(random.standard_normal(240).astype(np.float32)), 4)
    table = {"z": z, "key": range(100, 160), "kind": ["cat", "dog", "cow"] * 20}
    pq.write_table(pa.table(table), "codes.parquet")
    return Shell(monkeypatch, capsys)


def run(shell, spec: str):
    Path("spec.yaml").write_text(spec)
    return shell("run", "spec.yaml")


def test_an_imported_store_goes_through_the_jobs_that_need_codes_alone(shell, tmp_path):
    said = shell("store", "import", "codes.parquet", "--column", "z", "--id", "key", "--label", "kind")
    assert said.code == 0, said.err
    folder = tmp_path / "results" / "stores" / "codes"
    assert f"preimage run pag store={folder} std=1" in said.out
    assert json.loads(shell("store", "show", "codes", "--json").out)["classes"] == ["cat", "cow", "dog"]
    said = run(shell, RUNS)
    assert said.code == 0, said.err
    runs = {each.name.rsplit("-", 1)[0]: each for each in (tmp_path / "results" / "runs").iterdir()}
    metrics = json.loads((runs["analyze-codes"] / "outcome.json").read_text())["metrics"]
    assert {"scatter_ratio", "pag", "farthest_distance"} <= metrics.keys()
    table = (runs["analyze-codes"] / "figures" / "table.md").read_text()
    assert "No generator is given" in table
    assert "The store's images are not known" in table
    made_by = json.loads((runs["pag"] / "run.json").read_text())["made_by"]
    assert "60 codes imported from codes.parquet (SHA-256 " in made_by


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("{job: pag, store: codes}", "does not say which prior its codes should follow: set std"),
        (
            "{job: explore, store: codes, generator: net}",
            "holds codes of no known generator: import them with",
        ),
        ("{job: pag, store: cods, std: 1}", "no latent store 'cods'"),
    ],
)
def test_what_an_imported_store_lacks_is_said_before_any_work(shell, tmp_path, job, message):
    from preimage.models.generator_folder import write_generator
    from preimage.storage.folder import Folder
    from stores import linear_generator

    write_generator(linear_generator(4, 0), Folder.at(tmp_path / "net"), {})
    shell("store", "import", "codes.parquet")
    said = run(shell, f"steps: {{one: {job}}}\nresources: {{backend: local}}\ntracking: {{uri: none}}\n")
    assert said.code != 0
    assert message in said.err
    assert not (tmp_path / "results" / "runs").exists()


def test_export_writes_a_file_and_says_what_it_holds(shell, tmp_path):
    shell("store", "import", "codes.parquet", "--label", "kind")
    said = shell("store", "export", "codes", "--output", "out.parquet")
    assert said.code == 0, said.err
    assert "columns  image_id, label, class, z" in said.out
    assert pq.read_table("out.parquet")["class"].to_pylist() == ["cat", "dog", "cow"] * 20
    assert shell("store", "export", "codes", "--output", "out.parquet").code != 0
    assert shell("store", "export", "codes", "--output", "out.parquet", "--force").code == 0
    assert "whole: 60 images once each" in shell("store", "verify", "codes").out
    assert "so they have no losses" in shell("store", "show", "codes", "--worst", "3").err
