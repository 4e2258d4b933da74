"""What can be run: one folder or file for each kind of job. From Python each is a class, such as
`preimage.jobs.InvertJob`."""

from typing import Any


def __getattr__(name: str) -> Any:
    kinds = _kinds() if name.endswith("Job") else {}
    if name not in kinds:
        raise AttributeError(f"module 'preimage.jobs' has no attribute {name!r}")
    return kinds[name]


def __dir__() -> list[str]:
    return sorted(_kinds())


def _kinds() -> dict[str, Any]:
    """Each class by its name: imported when it is first asked for, for torch alone takes a second. A plugin's
    are in its own package."""
    from preimage.jobs.registry import JOBS

    return {job.__name__: job for kind in JOBS.built_in if (job := JOBS.get(kind))}
