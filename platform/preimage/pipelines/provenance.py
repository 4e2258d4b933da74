"""What a run was made with: the commit, the versions, the machine."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("preimage", "torch", "ray", "mlflow", "numpy", "pyarrow")


def versions() -> dict[str, str]:
    """The versions that decide a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def git_commit() -> str | None:
    """The commit of this package's checkout, marked where something is not committed; None outside one."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return commit + ("-dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(where: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=where, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
