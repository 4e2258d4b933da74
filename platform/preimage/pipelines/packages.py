"""What must be installed to run a plan, of the packages that Preimage can do without."""

from collections.abc import Iterator, Sequence

from preimage.errors import PreimageError
from preimage.extras import command, missing, sentence
from preimage.pipelines.plan import Plan

INSTEAD = {"ray": "resources.backend=local", "mlflow": "tracking.uri=none"}
"""The settings by which a plan does without."""


def packages_of(plan: Plan) -> tuple[str, ...]:
    """What the unfinished steps of a plan need."""
    return tuple(dict.fromkeys(_needed(plan)))


def require_packages(name: str, packages: Sequence[str]) -> None:
    """Raise PreimageError, before anything starts, if a plan's packages are missing. name: the plan's."""
    if absent := missing(packages):
        raise PreimageError(f"{sentence(name, absent)}{_instead(absent)}")


def note(packages: Sequence[str]) -> str:
    """What to install before a plan that needs these can run on this machine; empty if all is there."""
    absent = missing(packages)
    return f"to run it on this machine: {command(absent)}{_instead(absent)}" if absent else ""


def _instead(absent: list[str]) -> str:
    if not set(absent) <= INSTEAD.keys():
        return ""
    settings = " ".join(INSTEAD[each] for each in absent)
    return f", or add {settings} to run it in this process" + (
        ", recorded nowhere but in its folder" if "mlflow" in absent else ""
    )


def _needed(plan: Plan) -> Iterator[str]:
    left = [step for step in plan.steps if not step.is_done]
    if any(step.job.resources.backend == "ray" for step in left):
        yield "ray"
    if left and plan.spec.tracking.here.uri not in ("none", "jsonl"):
        yield "mlflow"
    for step in left:
        yield from step.job.packages
        yield from (each.kind.package for each in (step.data, *step.images) if each and each.kind.package)
