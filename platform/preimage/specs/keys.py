"""What type of value each key of a spec takes."""

from collections.abc import Mapping
from typing import Any

from preimage.jobs.registry import JOBS
from preimage.runs.spec_params import SECTIONS
from preimage.specs.models import Pipeline, Study, job_spec
from preimage.specs.override_text import Path, type_in


def type_at(spec: Mapping[str, Any], path: Path) -> Any:
    """The annotation of the value at a path; None if no model has such a key."""
    if "space" in spec:
        body = spec.get("trial")
        if path[:1] == ("trial",) and len(path) > 1 and isinstance(body, dict):
            return type_at(body, path[1:])
        return type_in(Study, path)
    if path and path[0] in SECTIONS and isinstance(spec.get(str(path[0])), dict) and len(path) > 2:
        step = spec[str(path[0])].get(path[1])
        return _of_job(step.get("job") if isinstance(step, dict) else None, path[2:])
    if path[:1] == ("defaults",) and len(path) > 2:
        return _of_job(path[1], path[2:])
    kind = spec.get("job")
    return type_in(job_spec(str(kind)) if JOBS.get(kind) else Pipeline, path)


def _of_job(kind: Any, path: Path) -> Any:
    job = JOBS.get(kind)
    return type_in(job, path) if job else None
