"""What a run is made with: the commit, the versions, the submission."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from preimage._version import __version__
from preimage.cluster import submissions

PACKAGES = ("torch", "ray", "mlflow", "numpy", "pyarrow")


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    own = {"python": platform.python_version(), "preimage": __version__}
    return own | {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def submitted_as() -> dict[str, Any]:
    """The submission that makes this run, if any: its id and the commit of its code."""
    submission = submissions.current()
    if not submission:
        return {}
    return {"git_commit": submission.record.get("git_commit"), "submission": submission.id}


def git_commit() -> str | None:
    """The commit of this package's checkout, with -dirty if something is uncommitted; None outside one."""
    here = Path(__file__).parent
    try:
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)  # unknown: an installed wheel
        commit = _git(here, "rev-parse", "HEAD")
        return commit + ("-dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(where: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=where, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
