"""What starts fast: a plan, and a finished run, import nothing that computes, draws or records."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import preimage
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.mlflow_address import home_of
from preimage.tracking.notes import FILE, Notes

ROOT = Path(__file__).parents[2]
SLOW = ("torch", "torchvision", "matplotlib", "scipy", "sklearn", "mlflow", "ray", "optuna")
WITHOUT_THEM = (
    f"import sys\nfor name in {SLOW}: sys.modules[name] = None  # a traceback shows who imports it\n"
)
SPEC = """
steps:
  first:
    job: init-generator
    data: {source: digits, size: 16, channels: 1, max_images: 20}
    model: {latent_dim: 2, base_channels: 2}
    batchnorm: initial
    resources: {backend: local}
"""


def run(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert not done.returncode, done.stderr
    return done.stdout


def test_no_shipped_job_s_plan_imports_what_is_slow(tmp_path):
    code = f"""
from pathlib import Path
from preimage import api
from preimage.cli.report import show_plan
from preimage.errors import SpecError
from rich.console import Console
for spec in sorted(Path({str(ROOT / "jobs")!r}).glob("*.yaml")):
    try:
        show_plan(Console(), api.plan(spec))
        print("planned", spec.name)
    except SpecError as error:  # what it takes was never made
        assert "it is neither an earlier step" in str(error), error
"""
    found = run(WITHOUT_THEM + code, tmp_path)
    assert {"demo.yaml", "glo-table-1.yaml", "evaluate.yaml"} <= set(found.split())


def test_a_finished_run_that_mlflow_has_and_its_report_import_nothing_that_is_slow(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    root = Folder.at(tmp_path / "results")
    outcome = preimage.run(tmp_path / "spec.yaml", {"tracking.uri": "none"}, results=root.uri)
    told = Notes(home=home_of(TrackingConfig(uri="local"), root), run_id="a run", ended="FINISHED")
    for name in (outcome.run, (outcome.steps or {})["first"]["run"]):
        RunFolder(root / "runs" / name).folder.write_json(FILE, asdict(told))
    words = ["preimage", "run", "spec.yaml", "--results", root.uri, "tracking.uri=local"]
    code = f"sys.argv = {words}\nfrom preimage.cli import main\nmain()"
    assert "already finished" in run(WITHOUT_THEM + code, tmp_path)
    words = ["preimage", "report", outcome.run, "--results", root.uri]
    code = f"sys.argv = {words}\nfrom preimage.cli import main\nmain()"
    assert "report.html" in run(WITHOUT_THEM + code, tmp_path)
