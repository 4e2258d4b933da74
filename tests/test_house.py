"""The rules of the house that a linter does not know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "platform" / "preimage"
MAY_IMPORT = {
    "ray": {
        "cluster/connect.py",
        "cluster/growing.py",
        "cluster/head.py",
        "cluster/holding.py",
        "cluster/jobs.py",
        "cluster/shared.py",
        "cluster/spread.py",
        "cluster/tasks.py",
        "cluster/upload.py",
        "training/on_ray.py",
        "cli/doctor.py",
        "tuning/on_ray.py",
    },
    "mlflow": {"tracking/on_mlflow.py"},
    "optuna": {"tuning/plots.py", "tuning/searcher.py", "tuning/storage.py"},
}


def test_platform_holds_no_module_of_its_own():
    """One there would shadow Python's `platform`, and every Ray worker would die at its start."""
    assert list((ROOT / "platform").glob("*.py")) == []
    assert (PACKAGE / "__init__.py").exists()


def imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("library", sorted(MAY_IMPORT))
def test_ray_mlflow_and_optuna_are_imported_where_they_belong_and_nowhere_else(library):
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert found == MAY_IMPORT[library]


def test_the_mathematics_runs_where_ray_and_mlflow_are_not_installed():
    """Also in the rooms above: the loop in this process needs neither."""
    code = """
import sys
sys.modules["ray"] = sys.modules["mlflow"] = None
import preimage.inversion, preimage.metrics.pag, preimage.models.dcgan, preimage.objectives.gan
import preimage.latents.verify, preimage.figures.plots, preimage.training.fit, preimage.jobs.registry
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_nothing_is_unpickled():
    for path in PACKAGE.rglob("*.py"):
        assert not {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"} & imports(path), path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "torch.load",
                "np.load",
                "numpy.load",
            ):
                safe = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert safe.get("weights_only") == "True", path


def test_rooms_know_only_those_below_them():
    order = ["cli", "tuning", "pipelines", "specs", "recipes"]
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        above = order[: order.index(room)] if room in order else order
        if room not in ("__main__.py", "tracking", "cluster"):
            known = {".".join(name.split(".")[:2]) for name in imports(path)}
            assert not known & {f"preimage.{each}" for each in above}, path
