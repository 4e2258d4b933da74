import json
import re
import subprocess
import sys

import pytest
import yaml

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.images_table import read_rows
from preimage.storage.folder import Folder
from preimage.storage.formats import OUTCOME
from shell import PIPELINE, SPEC, Shell

VERBS = (
    [],
    *(["run"], ["plan"], ["specs"], ["copy"], ["schema"], ["ui"], ["doctor"], ["completion"]),
    *(["submit"], ["jobs"], ["status"], ["logs"], ["stop"]),
    *(["study"], ["study", "show"], ["study", "pick"]),
    *(["generator"], ["generator", "import"], ["generator", "show"], ["generator", "export"]),
    *(["data"], ["data", "list"], ["data", "prepare"], ["store"], ["store", "show"], ["store", "verify"]),
    *(["store", "import"], ["store", "export"]),
)


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    """In an empty folder with a job and a pipeline."""
    (tmp_path / "job.yaml").write_text(SPEC)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def outcome_of(said):
    return json.loads(said.out.splitlines()[-1])


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_of_every_verb_says_what_it_does(shell, verb):
    said = shell(*verb, "--help")
    assert said.code == 0
    assert "Usage: preimage" in said.out
    sentence = next(line for line in said.out.splitlines() if line.strip() and "Usage" not in line)
    assert len(sentence.split()) >= 3


def test_the_help_of_preparing_names_every_key_of_images(shell):
    said = shell("data", "prepare", "--help").out
    for key in set(DataConfig.model_fields) - {"source"}:
        assert re.search(rf"\b{key}\b", said), key


def test_every_verb_is_in_the_help(shell):
    said = shell("--help").out
    for verb in {verb[0] for verb in VERBS if verb}:
        assert f" {verb} " in said
    assert "preimage run demo" in said


@pytest.mark.parametrize(
    ("words", "slow"),
    [
        (["--help"], ["torch", "ray", "mlflow", "pyarrow", "numpy"]),
        (["plan", "job.yaml"], ["ray", "mlflow", "torchvision", "torch._dynamo", "sklearn"]),
    ],
    ids=["help", "plan"],
)
def test_what_is_slow_to_import_is_left_until_it_is_needed(shell, words, slow):
    script = (
        f"import sys; sys.argv = {['preimage', *words]}\n"
        "from preimage.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "absent"),
    [
        (["data", "list"], 0, ["ray", "torch", "sklearn"]),
        (["data", "prepare", "folder", "data.path=/nonexistent"], 2, ["ray", "torch", "sklearn"]),
        (["data", "prepare", "digits", "data.size=8"], 0, ["ray"]),
    ],
)
def test_what_needs_neither_ray_nor_torch_imports_neither(shell, tmp_path, arguments, code, absent):
    """Torch takes two seconds, Ray four to start."""
    script = (
        "import sys\n"
        f"sys.argv = {['preimage', *arguments]}\n"
        "from preimage.cli import main\n"
        "try: main()\n"
        f"except SystemExit as end: assert (end.code or 0) == {code}, end.code\n"
        f"print([name for name in {absent} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "jobs/dmo.yaml"], "did you mean demo?"),
        (
            ["run", "nothing.yaml"],
            "'nothing.yaml' is neither a spec file, nor a spec that comes with Preimage",
        ),
        (["run", "job.yaml", "training.batch_size=1"], "training.batch_size"),
        (["run", "job.yaml", "training.base_chanels=1"], "training.base_chanels"),
        (["run", "job.yaml", "-p", "small"], "the spec has no profiles"),
        (["plan", "job.yaml", "images"], "images"),
        (["plan", "job.yaml", "resources.workers=25"], "25 workers cannot share a batch of 24 images"),
        (["run", "job.yaml", "tracking.uri=nowhere"], "tracking.uri"),
        (["ui", "--results", "nowhere"], "has no MLflow store yet"),
        (
            ["ui", "--optuna", "--results", "nowhere"],
            "nowhere has no study yet. Run one first: preimage run learning-rates-gan",
        ),
        (["ui", "study-1"], "preimage ui --optuna study-1"),
        (["ui", "--optuna", "study-1", "--results", "nowhere"], "is not a study under"),
        (["store", "show", "nowhere"], "nowhere"),
        (["data", "prepare", "digits", "data.size=7"], "data.size"),
        (["data", "prepare", "cats"], "data.source"),
        (["data", "prepare", "digits", "data.category=bedroom"], "data: digits has no categories"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(shell, arguments, message):
    said = shell(*arguments)
    assert said.code == 2
    assert said.err.count("error:") == 1
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_plan_starts_nothing_and_writes_nothing(shell, tmp_path):
    said = shell("plan", "pipeline.yaml")
    assert said.code == 0
    for text in ("train-gan", "invert", "pag", "runs", "nothing was started", "480 images seen", "200 codes"):
        assert text in said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.yaml", "pipeline.yaml"]


def test_a_pipeline_runs_is_skipped_and_runs_again_fresh(shell, tmp_path):
    first = shell("run", "pipeline.yaml", "--json")
    assert first.code == 0, first.err
    outcome = outcome_of(first)
    assert set(outcome["steps"]) == {"train", "codes", "prior"}
    written = json.loads((tmp_path / "results" / "runs" / outcome["run"] / "outcome.json").read_text())
    assert OUTCOME.stamp() | outcome == written
    assert (tmp_path / "results" / "runs" / outcome["steps"]["codes"]["run"] / "store").is_dir()
    assert "next" in first.err  # the report, out of the way of the JSON

    again = shell("run", "pipeline.yaml", "--json")
    assert outcome_of(again) == outcome
    assert again.err.count("already finished") == 3
    assert shell("plan", "pipeline.yaml").out.count("skipped: an equal run") == 3

    fresh = outcome_of(shell("run", "job.yaml", "--json", "--fresh"))
    assert fresh["run"] == outcome["steps"]["train"]["run"] + "-r2"


def test_a_run_is_replayed_from_its_own_spec_by_name_and_by_folder(shell, tmp_path):
    done = outcome_of(shell("run", "job.yaml", "seed=3", "--json"))
    (tmp_path / "job.yaml").unlink()
    for name in (done["run"], done["folder"]):
        assert outcome_of(shell("run", name, "--json")) == done
    other = outcome_of(shell("run", done["run"], "seed=4", "--json"))
    assert other["run"] != done["run"]
    assert yaml.safe_load((tmp_path / "results/runs" / other["run"] / "spec.yaml").read_text())["seed"] == 4


def test_a_store_is_shown_and_verified_until_it_is_altered(shell, tmp_path):
    outcome = outcome_of(shell("run", "pipeline.yaml", "--json"))
    name, store = outcome["steps"]["codes"]["run"], outcome["products"]["codes.store"]
    shown = shell("store", "show", name)
    assert shown.code == 0
    assert "200" in shown.out
    for each in (name, store):
        said = shell("store", "verify", each)
        assert said.code == 0, said.err
        assert said.out.startswith("whole: 200 images once each")
    part = next((tmp_path / "results/runs" / name / "store").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    said = shell("store", "verify", name)
    assert said.code == 2
    assert part.name in said.err
    assert "Traceback" not in said.err


def test_the_worst_and_the_best_images_of_a_store_are_named(shell, tmp_path):
    name = outcome_of(shell("run", "pipeline.yaml", "--json"))["steps"]["codes"]["run"]
    facts = json.loads(shell("store", "show", name, "--json").out)
    worst = json.loads(shell("store", "show", name, "--worst", "200", "--json").out)
    best = json.loads(shell("store", "show", name, "--best", "2", "--json").out)
    assert len(worst) == facts["count"] == 200
    assert [each["loss"] for each in worst] == sorted((each["loss"] for each in worst), reverse=True)
    assert [each["loss"] for each in best] == [worst[-1]["loss"], worst[-2]["loss"]]
    dataset = Dataset.open(Folder.at(facts["dataset"]["path"]))
    rows = read_rows(dataset.folder, [each["image_id"] for each in worst]).to_pylist()
    assert [each["name"] for each in worst] == [row["name"] for row in rows]
    assert [each["class"] for each in worst] == [dataset.classes[row["label"]] for row in rows]
    assert [each["label"] for each in worst] == [row["label"] for row in rows]

    said = shell("store", "show", name, "--worst", "1")
    assert rows[0]["name"] in said.out
    dataset.folder.remove("manifest.json")
    said = shell("store", "show", name, "--worst", "3")
    assert (said.code, len(said.out.splitlines())) == (0, 4)
    assert str(worst[2]["image_id"]) in said.out
    assert "names are unknown" in said.err
    assert shell("store", "show", name, "--worst", "3", "--best", "1").code == 2


def test_the_json_lines_hold_what_the_run_recorded(shell, tmp_path):
    outcome = outcome_of(shell("run", "job.yaml", "tracking.uri=jsonl", "--json"))
    (path,) = (tmp_path / "results" / "tracking").iterdir()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["step"] for row in rows if "generator_loss" in row] == list(range(48, 481, 48))
    assert rows[-1] == {"end": "FINISHED"}
    assert outcome["mlflow_run_id"] == path.stem


def test_the_sources_are_listed_with_where_they_are(shell):
    said = shell("data", "list")
    assert said.code == 0
    for name in ("digits", "celeba", "imagenet", "folder"):
        assert name in said.out


def test_the_schema_is_json(shell):
    assert json.loads(shell("schema").out)["title"] == "A Preimage spec"


@pytest.mark.ray
def test_the_doctor_looks_at_everything(shell, tmp_path):
    said = shell("doctor", "--results", tmp_path / "results")
    for what in ("Python", "torch", "GPU", "memory", "results", "Ray", "data digits"):
        assert what in said.out
    assert said.code == (0 if "all is well" in said.out else 1)
