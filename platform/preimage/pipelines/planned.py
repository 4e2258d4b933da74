"""A plan that can be shown, submitted and executed, whether it is of a job, a pipeline or a study."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from preimage.config import Resources, largest
from preimage.pipelines.describe import describe, summarize
from preimage.pipelines.description import Description, Section, Summary
from preimage.pipelines.execute import execute
from preimage.pipelines.packages import packages_of
from preimage.pipelines.plan import Plan
from preimage.pipelines.prepare_images import with_images
from preimage.pipelines.progress import Display
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder


@dataclass(frozen=True, repr=False)
class Planned:
    """What whoever shows, submits or runs a plan asks of it. Printed, it says what would happen."""

    name: str
    root: Folder
    """The folder of all results."""
    run: RunFolder
    fingerprint: str
    resolved: dict[str, Any]
    """The whole spec as plain values, to be stored and loaded again."""
    code: tuple[str, ...]
    """Modules whose code may build generators; not in `resolved`."""
    plugins: Mapping[str, str]
    """The versions, by name, of the installed distributions that it uses."""
    packages: tuple[str, ...]
    """What must be installed to do what is left, of what may be missing; see `extras`."""
    is_done: bool
    """Whether nothing is left to do."""
    needs_ray: bool
    """Whether something is left to do on Ray."""
    needs: Mapping[str, float]
    """What the largest of its unfinished steps needs at once on Ray, such as {"CPU": 4.0}; of a study, the
    largest step of a trial."""
    resources: tuple[Resources, ...]
    """Of its unfinished steps on Ray, one after another; of a study, of a trial's steps."""
    at_once: int
    """How many times it could use them at once: a study's trials."""
    describe: Callable[..., Description]
    """What would happen, with which inputs, and at what cost. Starts nothing. here: whether it runs on this
    machine (by default); measure: whether to time generators where no earlier run tells how long it takes."""
    with_images: Callable[[Display], "Planned"]
    """The same plan with its images read, so that its run and fingerprint are final. Raises DataError."""
    execute: Callable[..., Outcome]
    """Run what is missing. Takes the display, and `report`, which writes the page on the finished run. Raises
    PreimageError; results so far are kept."""
    summarize: Callable[[Outcome], Summary]
    """What to show of the outcome."""

    def __repr__(self) -> str:
        return f"<plan of {self.run.name}, {'nothing is left to do' if self.is_done else 'not finished'}>"

    def __str__(self) -> str:
        described = self.describe()
        lines = [line for section in described.sections for line in _lines(section)]
        if len(described.sections) > 1 and not self.is_done:
            lines.append(f"time in all: {described.time.text}")
        return "\n".join([*lines, f"runs are recorded in: {described.recorded}"])


def planned_pipeline(plan: Plan) -> Planned:
    """The plan of a job or a pipeline."""
    left = [step.job.resources for step in plan.steps if not step.is_done]
    on_ray = tuple(each for each in left if each.backend == "ray")
    return Planned(
        name=plan.spec.name,
        root=plan.root,
        run=plan.run,
        fingerprint=plan.fingerprint,
        resolved=plan.spec.resolved(),
        code=plan.spec.code,
        plugins=plan.plugins,
        packages=packages_of(plan),
        is_done=plan.is_done,
        needs_ray=bool(on_ray),
        needs=largest(each.reserved for each in on_ray),
        resources=on_ray,
        at_once=1,
        describe=partial(describe, plan),
        with_images=lambda display: planned_pipeline(with_images(plan, display)),
        execute=partial(execute, plan),
        summarize=partial(summarize, plan),
    )


def _lines(section: Section) -> list[str]:
    wide = max((len(label) for label, _ in section.facts), default=0)
    facts = [f"  {label:{wide}}  {fact}" for label, fact in section.facts]
    return [f"{section.title} ({section.kind}): {section.state}", *facts]
