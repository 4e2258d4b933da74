"""Where packages are missing: what works all the same, and the sentence that says what to install."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from preimage.errors import PreimageError
from preimage.extras import EXTRAS, command, missing, of_module, require
from shell import PIPELINE

ROOT = Path(__file__).parents[1]
HIDDEN = sorted({module for packages in EXTRAS.values() for module in packages.values()})
CORE = f"import sys\nfor name in {HIDDEN}: sys.modules[name] = None\n"
NETWORK = "nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))"
INVERT = f"""
import numpy as np, torch, preimage
from torch import nn
network = {NETWORK}
images = network(torch.randn(2, 2)).detach()
found = preimage.invert(network, images, prior="normal", steps=20)
assert found.codes.z.shape == (2, 2)
np.save("images.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8))
preimage.save_generator(network, "generator", latent_dim=2, prior="normal")
"""
VERBS = """
from preimage.cli import main
def run(*words):
    sys.argv = ["preimage", *words]
    try: main()
    except SystemExit as end: return end.code
    print(f"CODE {words}")
"""
DIGITS = "{source: digits, size: 16, channels: 1, max_images: 200}"
IMAGES = "{source: arrays, path: images.npy, size: 16, channels: 1}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, a generator, and runs that were made where nothing but the core can be imported."""
    place = tmp_path_factory.mktemp("core")
    steps = yaml.safe_load(PIPELINE.replace(DIGITS, IMAGES))
    steps["steps"]["train"] |= {"training": {"total_images": 48, "batch_size": 24}}
    (place / "spec.yaml").write_text(yaml.safe_dump(steps, sort_keys=False))
    python(INVERT, place)
    return place


def python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", CORE + code], capture_output=True, text=True, cwd=folder)
    assert not done.returncode, done.stderr
    return done.stdout + done.stderr


def verbs(folder: Path, *commands: str) -> dict[str, tuple[int, str]]:
    """The exit code and the words of each command, all in one process."""
    mark = "print(end='\\0', flush=True); print(end='\\0', file=sys.stderr, flush=True)"
    calls = "".join(f"print(run(*{each.split()}) or 0, end=''); {mark}\n" for each in commands)
    done = subprocess.run(
        [sys.executable, "-c", CORE + VERBS + calls], capture_output=True, text=True, cwd=folder
    )
    assert not done.returncode, done.stderr
    out, err = done.stdout.split("\0"), done.stderr.split("\0")
    return {
        each: (int(said[-1]), said + errors) for each, said, errors in zip(commands, out, err, strict=False)
    }


def test_the_core_does_what_needs_no_platform(folder):
    run = "run spec.yaml"
    found = verbs(
        folder,
        *("--help", "specs", "copy pca made", "plan demo", "schema", "data list", "doctor", run),
        *("generator show generator", "generator export generator --format pt2", "runs"),
    )
    assert {name: said for name, (code, said) in found.items() if code} == {}
    (store,) = (folder / "results" / "runs").glob("invert-*/store")
    found = verbs(
        folder,
        f"store show {store}",
        f"store export {store} --output codes.parquet",
        "store import codes.parquet",
    )
    assert {name: said for name, (code, said) in found.items() if code} == {}


NEEDING = {
    "run demo": "demo needs mlflow and ",
    "run spec.yaml resources.backend=ray tracking.uri=auto --fresh": "or add resources.backend=local",
    "run spec.yaml tracking.uri=local --fresh": "or add tracking.uri=none",
    "plan pag-study": "a study needs optuna",
    "submit spec.yaml --results /shared": "submitting to a cluster needs ray",
    "jobs": "preimage jobs needs ray",
    "browse results": "preimage browse needs bokeh and scikit-learn",
    "plan pca --results s3://bucket/a": "an address of s3:// needs obstore",
    "data prepare digits": "source=digits needs scikit-learn",
    "plan invert generator=models:/a/1 tracking.uri=http://127.0.0.1:9": "models:/a/1 needs mlflow",
    "generator export generator --format onnx": "an export to ONNX needs onnx",
}


def test_what_needs_an_extra_says_which(folder):
    for words, (code, said) in verbs(folder, *NEEDING).items():
        assert code == 2, (words, said)
        assert NEEDING[words] in said
        assert "pip install 'preimage[" in said
        assert "Traceback" not in said


def test_every_package_of_an_extra_is_known_by_its_module():
    """Those whose modules other packages alone import stand in no sentence of ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for extra in ("platform", "browse", "onnx"):
        asked = {each.partition("[")[0].partition(">")[0] for each in extras[extra]} - {"preimage"}
        assert asked <= EXTRAS[extra].keys() | EXTRAS["browse"].keys()
    named = {package for extra, packages in EXTRAS.items() if extra for package in packages}
    core = {each.partition(">")[0] for each in project["dependencies"]}
    assert not named & core
    for module in HIDDEN:
        assert module in ("boto3", "diffusers", "lmdb") or find_spec(module), module


@pytest.mark.parametrize(
    ("packages", "installed_by"),
    [
        (["ray"], "pip install 'preimage[platform]'"),
        (["bokeh", "scikit-learn"], "pip install 'preimage[browse]'"),
        (["scikit-learn"], "pip install 'preimage[platform]'"),
        (["ray", "bokeh"], "pip install 'preimage[platform]'"),
        (["ray", "onnx"], "pip install 'preimage[platform,onnx]'"),
        (["lmdb"], "pip install lmdb"),
        (["ray", "boto3"], "pip install 'preimage[platform]' boto3"),
    ],
)
def test_one_command_installs_what_is_missing(packages, installed_by):
    assert command(packages) == installed_by


def test_what_is_missing_is_found_without_an_import(monkeypatch):
    assert missing(["ray", "mlflow"]) == []
    monkeypatch.setitem(sys.modules, "ray", None)
    assert missing(["ray", "mlflow"]) == ["ray"]
    with pytest.raises(PreimageError, match=r"^this needs ray, which is not installed: pip install 'pre"):
        require("this", "ray", "mlflow")
    assert of_module("sklearn.manifold") == "scikit-learn"
    assert of_module("somebody_elses") is None
