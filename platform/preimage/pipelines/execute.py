"""Run a plan: each step in its own folder, recorded by the tracker, skipped if it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from preimage.cluster import submissions
from preimage.data.catalog import Catalog
from preimage.errors import TrackingError
from preimage.jobs.base import Context, OnProgress
from preimage.pipelines import low_precision, rates
from preimage.pipelines.cost import cost_of
from preimage.pipelines.devices import NAMES, device_of, hardware_of, note_device
from preimage.pipelines.hours import pace_in
from preimage.pipelines.inputs import finished
from preimage.pipelines.lifecycle import Report, live, tell
from preimage.pipelines.make_plan import skip_rounds
from preimage.pipelines.outcomes import pipeline_outcome, step_outcome
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.prepare_images import with_images
from preimage.pipelines.progress import Display, Silent
from preimage.pipelines.registration import folders_of, register_pipeline, register_step
from preimage.runs import attempts
from preimage.runs.attempts import attempt
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.protocol import Claim
from preimage.storage.removal import require_kept
from preimage.tracking.follower import Follower
from preimage.tracking.mirror import Mirror
from preimage.tracking.notes import Notes
from preimage.tracking.open import open_tracker, opened_later
from preimage.tracking.tracker import Status, Tracker
from preimage.training.config import StopRule
from preimage.work.node_watch import driver_watch
from preimage.work.reproducible import prepare_process


def execute(
    plan: Plan,
    display: Display | None = None,
    parent: Mirror | None = None,
    stop_early: StopRule | None = None,
    trial: Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> Outcome:
    """Run what is not finished, and return the outcome of the pipeline or the single job.

    parent: the tracker's run of the study, if this is a trial. stop_early: decides when a training run stops
    and raises StoppedEarly. trial: what the run.json of a trial says of it besides. report: writes
    the page on the whole, not on each step. Raises PreimageError;
    results so far are kept, and running the same plan again resumes it.
    """
    display = display or Silent()
    plan = with_images(plan, display)
    tracker = _tracker(plan, parent)
    execution = _Execution(plan, tracker, display, stop_early, trial or {})
    if plan.spec.is_pipeline:
        outcome = execution.pipeline(parent, report)
    else:
        outcome = execution.step(plan.steps[0], parent, report=report)
    if plan.spec.tracking.register_as:
        tell(execution.register, outcome, plan.spec.tracking.register_as)
    return outcome


def tell_ended(plan: Plan, tracker: Tracker, parent: Mirror, status: Status) -> None:
    """Send the tracker what it lacks of a trial that ended without an outcome, and does not resume.

    Raises TrackingError if the tracker does not answer; it may be called again.
    """
    for each in _mirrors(plan, tracker, parent):
        if each.run.outcome():
            each.finish()
        elif each.run.about_or_none() and not each.has_ended(status):
            each.follow()
            each.end(status)


def _tracker(plan: Plan, parent: Mirror | None) -> Tracker:
    """The plan's tracker, opened at once unless it has received everything: MLflow takes seconds to import.

    Raises TrackingError, before any work starts."""
    config, later = plan.spec.tracking, opened_later(plan.spec.tracking, plan.root)
    told = [each.is_recorded for each in _mirrors(plan, later, parent) if each.run.about_or_none()]
    if plan.is_done and all(told) and not config.register_as:
        return later
    return open_tracker(config, plan.root)


def _mirrors(plan: Plan, tracker: Tracker, parent: Mirror | None) -> list[Mirror]:
    """Those of the steps of a pipeline, then that of the whole; or that of the single step."""
    whole = Mirror(plan.run, tracker, parent)
    parts = [Mirror(step.run, tracker, whole) for step in plan.steps] if plan.spec.is_pipeline else []
    return [*parts, whole]


@dataclass(frozen=True)
class _Execution:
    """One execution of a plan."""

    plan: Plan
    tracker: Tracker
    display: Display
    stop_early: StopRule | None
    trial: Mapping[str, Any]

    def pipeline(self, parent: Mirror | None, report: Report | None) -> Outcome:
        plan, mirror = self.plan, Mirror(self.plan.run, self.tracker, parent)
        outcome = plan.run.outcome() if plan.is_done else None
        if outcome:
            self._steps(mirror)  # each shows that it is finished, and sends the tracker what it missed

        def make(run: RunFolder, claim: Claim) -> Outcome:
            return pipeline_outcome(plan, self._steps(mirror, claim.check), mirror.notes.run_id)

        register = partial(register_pipeline, plan, _part_of(parent, self.trial))
        outcome = live(mirror, lambda: outcome, register, make, report=report)
        if mirror.replaced:
            tell(self._move_steps, mirror)
        return outcome

    def _move_steps(self, mirror: Mirror) -> None:
        """Put the steps' runs in the tracker under the pipeline's new one."""
        for step in self.plan.steps:
            Mirror(step.run, self.tracker, mirror).finish()
        mirror.finish()

    def _steps(self, mirror: Mirror, check: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for place in range(len(self.plan.steps)):
            step = skip_rounds(self.plan).steps[place]  # depends on the outcomes of the steps before it
            if step.state == "skipped":
                self._say(step, f"skipped: {self._watched()} no longer falls")
            else:
                outcomes[step.name] = self.step(step, mirror, check)
                if not mirror.is_recorded:
                    tell(mirror.follow_step, step.run)
        return outcomes

    def step(
        self,
        step: PlannedStep,
        parent: Mirror | None,
        check: Callable[[], None] = lambda: None,
        report: Report | None = None,
    ) -> Outcome:
        """The outcome of a step; run the step first, unless it or another process has finished it.

        check: raises ClaimLost if the pipeline is another process's now.
        """
        mirror, made = Mirror(step.run, self.tracker, parent), False

        def make(run: RunFolder, claim: Claim) -> Outcome:
            nonlocal made
            made = True
            with driver_watch(step.run.system, step.job.resources), Follower(mirror):
                resources = step.job.resources
                prepare_process(resources.cpus_per_worker, resources.deterministic)
                found = hardware_of(resources)
                low_precision.warn(low_precision.lowered(step.job), found)
                with attempt(step.run, found):
                    result = step.job.run(self._context(step, run, claim))
            rates.record(step.run, cost_of(self.plan, [step]), pace_in(self.plan, step))
            return step_outcome(self.plan, step, result, mirror.notes.run_id)

        def begin() -> None:
            begun = step.run.folder.exists("run.json")
            if begun and not step.run.folder.exists(attempts.FILE):
                attempts.note_unknown(step.run)
            resumes = ", resumes" if begun else ""
            device = device_of(step.job.resources)
            self._say(step, f"{step.run.name}{resumes}, on the {NAMES[device]}")
            register_step(self.plan, step, _part_of(parent, {} if self.plan.spec.is_pipeline else self.trial))
            _require_kept(step, self.plan.catalog)
            note_device(step.run, device)
            if submission := submissions.current():
                submission.works_on(step.run.folder.uri)

        outcome = live(mirror, lambda: finished(step.run, step.job.makes), begin, make, check, report)
        if not made:
            self._say(step, f"already finished, {step.run.name}")
        return outcome

    def register(self, outcome: Outcome, name: str) -> None:
        """Register the generator that the last step made, of those that make one. Raises TrackingError."""
        last = [each for each in (outcome.steps or {}).values() if "generator" in each.get("products", {})]
        run = RunFolder(self.plan.root / "runs" / (last[-1]["run"] if last else outcome.run))
        run_id = Notes.of(run, self.tracker.home).run_id
        if not run_id:
            raise TrackingError(f"{run.name} is not recorded yet, and not registered as {name}.")
        version = self.tracker.register(run_id, name)
        page = self.tracker.version_page(name, version)
        text = f"the generator of {run.name} is version {version} of {name} in MLflow"
        self.display.say(f"{text}: {page}" if page else text)

    def _say(self, step: PlannedStep, text: str) -> None:
        self.display.say(f"[bold]{step.name}[/bold] ({step.job.job}): {text}")

    def _watched(self) -> str:
        assert self.plan.spec.rounds
        return self.plan.spec.rounds.metric

    def _context(self, step: PlannedStep, run: RunFolder, claim: Claim) -> Context:
        def progress(task: str) -> OnProgress:
            shown = self.display.task(task)

            def on_progress(done: int, total: int) -> None:
                claim.check()  # work that another process does again must end soon
                shown(done, total)

            return on_progress

        return Context(
            run=run,
            catalog=self.plan.catalog,
            fingerprint=step.fingerprint,
            resources=step.job.resources,
            inputs=folders_of(step),
            progress=progress,
            plugins=step.plugins,
            stop_early=self.stop_early,
        )


def _part_of(parent: Mirror | None, trial: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json says of the run that this one is a part of, and of a trial."""
    return ({"part_of": parent.run.name} if parent else {}) | dict(trial)


def _require_kept(step: PlannedStep, catalog: Catalog) -> None:
    """Raise StorageError if what a step takes is being removed; who removes sees what is registered."""
    for key, each in step.inputs.items():
        require_kept(each.folder, f"{key} of {step.name}")
    for data in [*([step.data] if step.data else []), *step.images]:
        require_kept(catalog.folder(data), f"the {data.source} images of {step.name}")
