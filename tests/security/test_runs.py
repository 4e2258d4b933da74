"""What other runs left, from anybody: taken as it was written, or one message."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from preimage.pipelines.execute import execute
from preimage.pipelines.inputs import find_product, find_run
from preimage.pipelines.make_plan import make_plan
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import loads
from preimage.storage.folder import Folder
from preimage.tuning.annotations import Pick, read_picks
from preimage.tuning.records import TrialRecord, read_records, write_record
from security.mutations import FUZZ, altered, damaged, documented, leaves
from shell import SPEC
from studies import GRID, planned

CODES = {"job": "invert", "generator": "a", "inversion": {"steps": 2}, "resources": {"backend": "local"}}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    """A tiny training that is finished."""
    results = tmp_path_factory.mktemp("results")
    spec = loads(
        SPEC,
        "a.yaml",
        "a",
        None,
        [f"results={results}", "training.total_images=96", "training.sample_every=48"],
    )
    return RunFolder(Folder.at(execute(make_plan(spec)).folder))


@pytest.fixture
def whole(run):
    """The run, put back afterwards."""
    before = {path: path.read_bytes() for path in run.folder.local.rglob("*") if path.is_file()}
    yield run
    for path, data in before.items():
        path.write_bytes(data)


def read(run: RunFolder) -> None:
    """All that is read of a run by those after it."""
    runs = run.folder.parent
    for attempt in (run.outcome, run.progress, run.about, run.records, lambda: run.curve("generator_loss")):
        documented(attempt)
    documented(lambda: find_run("f" * 32, runs))
    for name in (run.name, run.product("generator").uri):
        documented(lambda name=name: find_product(name, "generator", runs))
    spec = {"results": runs.parent.uri, "tracking": {"uri": "none"}, **CODES, "generator": run.name}
    documented(lambda: make_plan(loads(yaml.safe_dump(spec), "b.yaml", "b")))


@pytest.mark.parametrize("name", ["run.json", "outcome.json", "progress.json", "log"])
def test_any_json_of_a_run(whole, name):
    path = whole.folder.local / name
    path = sorted(path.iterdir())[0] if path.is_dir() else path
    value = json.loads(path.read_text())

    @FUZZ
    @given(
        st.one_of(
            altered(value).map(json.dumps),
            damaged(path.read_bytes()).map(lambda data: data.decode(errors="replace")),
        )
    )
    def each(text):
        path.write_text(text, errors="surrogatepass")
        read(whole)

    each()


def test_deep_and_long_json_is_one_message(whole):
    for text in ("[" * 100_000, '{"a":' * 100_000, "9" * 10_000, '"\\ud800"', "NaN", "", "\0", "null", "[]"):
        for name in ("run.json", "outcome.json", "progress.json"):
            whole.folder.write(name, text.encode())
            read(whole)


RECORD = TrialRecord(
    number=0,
    params={"model.kernel_size": 3},
    state="complete",
    values={"generator_loss": 1.0, "discriminator_loss": 1.0},
    intermediate=((1, 2.0),),
)


def test_any_record_of_a_trial(tmp_path):
    plan = planned(GRID, tmp_path)
    write_record(plan.run.folder, RECORD)
    value = (plan.run.folder / "trials").read_json("0000.json")

    @FUZZ
    @given(altered(value))
    def each(changed):
        (plan.run.folder / "trials").write("0000.json", json.dumps(changed).encode())
        documented(lambda: read_records(plan.run.folder))
        documented(plan.missing)

    each()


def test_any_picks(tmp_path):
    folder = Folder.at(tmp_path)
    value = [Pick(name="best", trial=0, time="", user="u").model_dump(mode="json")]

    @FUZZ
    @given(st.one_of(altered(value), leaves))
    def each(changed):
        folder.write("picks.json", json.dumps(changed).encode())
        documented(lambda: read_picks(folder))

    each()
