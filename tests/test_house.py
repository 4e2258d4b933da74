"""The rules of the house that a linter does not know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from preimage.jobs.registry import JOBS
from preimage.specs.models import SpecKeys

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "platform" / "preimage"
MAY_IMPORT = {
    "ray": {
        "cluster/autoscaling.py",
        "cluster/board.py",
        "cluster/connect.py",
        "cluster/hardware.py",
        "cluster/head_watch.py",
        "cluster/nodes.py",
        "cluster/passed_env.py",
        "cluster/ray_jobs.py",
        "cluster/room.py",
        "cluster/shared_storage.py",
        "cluster/upload.py",
        "work/on_ray.py",
        "training/on_ray.py",
        "cli/doctor.py",
        "tuning/on_ray.py",
    },
    "mlflow": {
        "tracking/mlflow_lookup.py",
        "tracking/mlflow_models.py",
        "tracking/mlflow_store.py",
        "tracking/on_mlflow.py",
    },
    "optuna": {
        "tuning/plots.py",
        "tuning/searcher.py",
        "tuning/optuna_journal.py",
        "tuning/all_studies.py",
        "tuning/trial_pictures.py",
    },
}
ROOMS = {
    "_version": set(),
    "batch_parts": set(),
    "config": {"errors"},
    "errors": set(),
    "extras": {"errors"},
    "named_code": {"errors"},
    "own_settings": {"config"},
    "permutation": set(),
    "plugins": {"config", "errors"},
    "random_streams": set(),
    "bfloat16": set(),
    "float32": set(),
    "hardware": set(),
    "readable": set(),
    "to_device": set(),
    "storage": {"extras", "_version", "config", "errors"},
    "cluster": {"extras", "bfloat16", "hardware", "named_code", "config", "errors", "storage"},
    "work": {"float32", "config", "errors", "storage", "cluster"},
    "objectives": set(),
    "latents": {
        "_version",
        "batch_parts",
        "float32",
        "own_settings",
        "permutation",
        "plugins",
        "random_streams",
        "config",
        "errors",
        "storage",
    },
    "data": {
        "extras",
        "to_device",
        "own_settings",
        "permutation",
        "plugins",
        "config",
        "errors",
        "storage",
        "work",
    },
    "models": {
        "extras",
        "float32",
        "named_code",
        "plugins",
        "random_streams",
        "config",
        "errors",
        "storage",
        "latents",
        "data",
    },
    "metrics": {
        "extras",
        "float32",
        "to_device",
        "random_streams",
        "errors",
        "latents",
        "data",
        "objectives",
    },
    "figures": {"data"},
    "inversion": {
        "float32",
        "to_device",
        "own_settings",
        "plugins",
        "random_streams",
        "config",
        "errors",
        "storage",
        "work",
        "latents",
        "data",
        "models",
        "objectives",
    },
    "importing": {
        "extras",
        "float32",
        "named_code",
        "random_streams",
        "data",
        "config",
        "errors",
        "storage",
        "latents",
        "models",
        "inversion",
    },
    "exporting": {"extras", "named_code", "errors", "storage", "models", "inversion", "importing"},
    "runs": {"config", "errors", "storage", "latents", "models"},
}
"""What each of the lower rooms may know."""
ABOVE = [
    "training",
    "tracking",
    "browsing",
    "jobs",
    "specs",
    "pipelines",
    "tuning",
    "reports",
    "housekeeping",
    "api",
    "library",
    "cli",
    "__main__",
]
"""The rooms above: each may know all below it."""


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


def test_bokeh_is_imported_by_pages_alone():
    found = {
        path.relative_to(PACKAGE).parts[:2]
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "bokeh" for name in imports(path))
    }
    assert found <= {("browsing", "page"), ("browsing", "static")}
    assert found


def test_the_mathematics_runs_where_ray_and_mlflow_are_not_installed():
    """Also in the rooms above: the loop in this process needs neither."""
    code = """
import sys
sys.modules["ray"] = sys.modules["mlflow"] = None
import preimage.inversion, preimage.metrics.pag, preimage.models.dcgan, preimage.objectives.gan
import preimage.latents.verify, preimage.figures.plots, preimage.training.fit, preimage.jobs.registry
import preimage.library.invert
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


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    named = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def known_modules(path: Path, named: dict[str, Path]) -> set[str]:
    """The package's own modules that a file imports, in functions and for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {part if part in named else str(node.module) for part in parts}
    return found & named.keys()


def test_no_module_is_imported_in_a_circle():
    """But for a job, whose `run` imports the module that does the work."""
    named = modules()
    left = {name: known_modules(path, named) - {name} for name, path in named.items()}
    left = {name: {each for each in known if not is_work_of(name, each)} for name, known in left.items()}
    while True:
        above = {name for known in left.values() for name in known}
        ends = {name for name, known in left.items() if not known & left.keys() or name not in above}
        if not ends:
            break
        left = {name: known for name, known in left.items() if name not in ends}
    assert not left, f"these import each other in a circle: {sorted(left)}"


def is_work_of(job: str, module: str) -> bool:
    """Whether a module does the work of a job: `run` beside `job`, `run_gan` beside `gan`."""
    folder, _, name = job.rpartition(".")
    return job.startswith("preimage.jobs.") and module == f"{folder}.run{'' if name == 'job' else f'_{name}'}"


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_rooms_know_only_those_below_them():
    named = modules()
    for name, path in named.items():
        if name == "preimage":
            continue
        room = room_of(name)
        below = ROOMS.get(room) or set()
        if room in ABOVE:
            below = {*ROOMS, *ABOVE[: ABOVE.index(room)]}
        known = {room_of(each) for each in known_modules(path, named) if each != "preimage"} - {room}
        assert known <= below, f"{name} knows {sorted(known - below)}"


def test_a_specs_line_leads_to_its_code():
    """`job: recover-partial` is in jobs/recover_partial.py, or in a folder of that name."""
    for kind in JOBS:
        place = JOBS[kind].__module__.removeprefix("preimage.jobs.").removesuffix(".job")
        assert place.replace(".", "-").replace("_", "-") == kind


def test_no_jobs_key_is_one_of_every_specs():
    """A spec of one job has both side by side."""
    for kind in JOBS:
        job = JOBS[kind]
        assert not job.model_fields.keys() & SpecKeys.model_fields.keys(), job
