"""The wheel: it holds the package and each shipped spec once, and works by itself, without a clone."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from preimage.specs.shipped import names, root

ROOT = Path(__file__).parents[1]
BUILT_FROM = (
    "platform",
    "jobs",
    "tuning",
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built, without a network, from a copy: setuptools leaves its own files beside the sources."""
    place = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        source, target = ROOT / name, place / "clone" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*build, "--wheel-dir", place, place / "clone"], check=True, capture_output=True)
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def preimage(wheel, tmp_path_factory):
    """Runs `preimage` with the unpacked wheel on the path, in an empty folder, far from any clone."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    (place / "here").mkdir()
    git = ["git", "-C", place, "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "Mine"], check=True)

    def run(*words: str, code: str = "from preimage.cli import main; main()") -> str:
        # -S: not the path by which an editable install finds its clone
        packages = os.pathsep.join(
            [str(place / "site"), *(each for each in sys.path if each.endswith("-packages"))]
        )
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, *words],
            capture_output=True, text=True, cwd=place / "here", env=os.environ | {"PYTHONPATH": packages},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_it_holds_the_package_and_each_spec_once_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = archive.namelist()
    assert len(held) == len(set(held))
    source = ROOT / "platform"
    package = {str(path.relative_to(source)) for path in (source / "preimage").rglob("*.py")}
    data = {str(path.relative_to(source)) for path in (source / "preimage").rglob("*") if is_data(path)}
    specs = [*ROOT.glob("jobs/*.yaml"), *ROOT.glob("tuning/*.yaml"), ROOT / "jobs/schema.json"]
    shipped = {f"preimage/shipped/{path.relative_to(ROOT)}" for path in specs}
    assert {each for each in held if ".dist-info/" not in each} == package | data | shipped
    assert root() == ROOT, "an editable install reads the clone's own"
    assert not (source / "preimage/shipped").exists()


def is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc")


def test_it_works_where_there_is_no_clone(preimage):
    where = preimage(code="import preimage, preimage.specs.shipped as s; print(preimage.__file__, s.root())")
    assert str(ROOT) not in where
    listed = {line.split()[0] for line in preimage("specs").splitlines() if line.strip()}
    assert set(names()) <= listed
    assert preimage("specs", "glo") == (ROOT / "jobs/glo.yaml").read_text()
    assert "nothing was started" in preimage("plan", "demo", "-p", "small")
    assert "glo.yaml, with schema.json beside it" in preimage("copy", "glo", ".")
    assert "nothing was started" in preimage("plan", "glo.yaml", "-p", "small")


def test_a_commit_of_the_folder_it_is_installed_in_is_not_its_own(preimage):
    code = "from preimage.pipelines.provenance import git_commit; print(git_commit())"
    assert preimage(code=code) == "None\n"


def test_what_it_submits_to_a_cluster_is_the_whole_package(preimage):
    code = "from preimage.cluster.upload import collect; print(*collect().files, sep='\\n')"
    sent = set(preimage(code=code).split())
    source = ROOT / "platform"
    assert {str(path.relative_to(source)) for path in (source / "preimage").rglob("*.py")} <= sent
    assert "preimage/shipped/jobs/demo.yaml" in sent
