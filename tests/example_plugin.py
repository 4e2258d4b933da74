"""The package in examples/plugin, installed by pip for whoever has the folder on their path."""

import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "plugin"
REQUIREMENT = "preimage-example"


def install(folder: Path) -> Path:
    """The folder it is installed in. What it depends on is here already; nothing is downloaded."""
    source = shutil.copytree(EXAMPLE, folder / "source")  # building leaves files beside it
    place = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(place)]
    subprocess.run([*pip, *alone, str(source)], check=True, capture_output=True, timeout=120)
    return place
