"""Run a plan: each step in its own folder, recorded by the tracker, skipped if it is done."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from preimage import hardware
from preimage.cluster import submissions
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import TrackingError
from preimage.jobs.base import Context, Job, OnProgress, Result
from preimage.jobs.made_by import made_by
from preimage.jobs.references import images_named
from preimage.pipelines import rates
from preimage.pipelines.cost import cost_of
from preimage.pipelines.hours import pace_in
from preimage.pipelines.inputs import Input, finished
from preimage.pipelines.lifecycle import live, register, tell, write_result
from preimage.pipelines.make_plan import skip_rounds
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.pipelines.prepare_images import with_images
from preimage.pipelines.progress import Display, Silent
from preimage.pipelines.titles import title_of
from preimage.runs import attempts
from preimage.runs.attempts import attempt
from preimage.runs.metrics import flatten, plain_names
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.specs import overrides
from preimage.storage.folder import Folder
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
) -> Outcome:
    """Run what is not finished, and return the outcome of the pipeline or the single job.

    parent: the tracker's run of the study, if this is a trial. stop_early: decides when a training run stops
    and raises StoppedEarly. trial: what the run.json of a trial says of it besides. Raises PreimageError;
    results so far are kept, and running the same plan again resumes it.
    """
    display = display or Silent()
    plan = with_images(plan, display)
    tracker = _tracker(plan, parent)
    execution = _Execution(plan, tracker, display, stop_early, trial or {})
    outcome = execution.pipeline(parent) if plan.spec.is_pipeline else execution.step(plan.steps[0], parent)
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


log = logging.getLogger(__name__)

NAMES = {"cpu": "CPU", "cuda": "GPU"}
"""Devices, in words."""


@dataclass(frozen=True)
class _Execution:
    """One execution of a plan."""

    plan: Plan
    tracker: Tracker
    display: Display
    stop_early: StopRule | None
    trial: Mapping[str, Any]

    def pipeline(self, parent: Mirror | None) -> Outcome:
        plan, mirror = self.plan, Mirror(self.plan.run, self.tracker, parent)
        outcome = plan.run.outcome() if plan.is_done else None
        if outcome:
            self._steps(mirror)  # each shows that it is finished, and sends the tracker what it missed

        def make(run: RunFolder, claim: Claim) -> Outcome:
            return _pipeline_outcome(plan, self._steps(mirror, claim.check), mirror.notes.run_id)

        outcome = live(mirror, lambda: outcome, partial(self._register_pipeline, parent), make)
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
        self, step: PlannedStep, parent: Mirror | None, check: Callable[[], None] = lambda: None
    ) -> Outcome:
        """The outcome of a step; run the step first, unless it or another process has finished it.

        check: raises ClaimLost if the pipeline is another process's now.
        """
        mirror, made = Mirror(step.run, self.tracker, parent), False

        def make(run: RunFolder, claim: Claim) -> Outcome:
            nonlocal made
            made = True
            with driver_watch(step.run.system, step.job.resources), Follower(mirror):
                prepare_process(step.job.resources.cpus_per_worker)
                with attempt(step.run, hardware_of(step.job.resources)):
                    result = step.job.run(self._context(step, run, claim))
            rates.record(step.run, cost_of(self.plan, [step]), pace_in(self.plan, step))
            return _outcome(self.plan, step, result, mirror.notes.run_id)

        def begin() -> None:
            begun = step.run.folder.exists("run.json")
            if begun and not step.run.folder.exists(attempts.FILE):
                attempts.note_unknown(step.run)
            resumes = ", resumes" if begun else ""
            device = device_of(step.job.resources)
            self._say(step, f"{step.run.name}{resumes}, on the {NAMES[device]}")
            self._register_step(step, parent)
            _require_kept(step, self.plan.catalog)
            _note_device(step.run, device)
            if submission := submissions.current():
                submission.works_on(step.run.folder.uri)

        outcome = live(mirror, lambda: finished(step.run, step.job.makes), begin, make, check)
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
            inputs=_folders(step),
            progress=progress,
            plugins=step.plugins,
            stop_early=self.stop_early,
        )

    def _register_pipeline(self, parent: Mirror | None) -> None:
        plan = self.plan
        about: dict[str, Any] = {"job": "pipeline", "name": plan.spec.name, "fingerprint": plan.fingerprint}
        if parent:
            about["part_of"] = parent.run.name
        about |= {"title": plan.spec.name, "what": self._what(f"A pipeline of {len(plan.steps)} steps")}
        about |= {"steps": {step.name: step.run.name for step in plan.steps}, **self.trial}
        if plan.plugins:
            about["plugins"] = plan.plugins
        register(plan.run, about, plan.spec.resolved())

    def _what(self, text: str) -> str:
        return f"{text} ({self.plan.spec.title})."

    def _register_step(self, step: PlannedStep, parent: Mirror | None) -> None:
        spec = self.plan.spec
        about: dict[str, Any] = {"job": step.job.job, "name": step.name, "fingerprint": step.fingerprint}
        if step.plugins:
            about["plugins"] = step.plugins
        if step.inputs:
            about["inputs"] = {key: _used(each) for key, each in step.inputs.items()}
        addresses = {key: each.folder.uri for key, each in step.inputs.items()}
        job = overrides.apply(step.job.model_dump(mode="json"), addresses)
        if step.data:
            about["dataset"] = dataset_of(step, self.plan.catalog)
        named = images_named(step.job)
        about["images"] = {key: self.plan.catalog.folder(each).uri for key, each in named.items()}
        if parent:
            about["part_of"] = parent.run.name
        about["made_by"] = made_by(step.job, _folders(step), self.plan.catalog, spec.title, step.plugins)
        about |= {"title": title_of(step, spec.is_pipeline), "what": self._what(_in_brief(step.job))}
        about |= {} if spec.is_pipeline else self.trial
        register(step.run, about, {"name": step.name} | job | spec.around)


def _in_brief(job: Job) -> str:
    """The first sentence of what its kind does."""
    return " ".join((type(job).__doc__ or job.job).split()).split(". ")[0].split(":")[0].rstrip(".")


def _used(each: Input) -> dict[str, str]:
    """What a run's run.json says of a product that it takes."""
    named = {"model": each.model} if each.model else {}
    return {"product": each.product, "address": each.folder.uri} | named


def _require_kept(step: PlannedStep, catalog: Catalog) -> None:
    """Raise StorageError if what a step takes is being removed; who removes sees what is registered."""
    for key, each in step.inputs.items():
        require_kept(each.folder, f"{key} of {step.name}")
    for data in [*([step.data] if step.data else []), *step.images]:
        require_kept(catalog.folder(data), f"the {data.source} images of {step.name}")


def _folders(step: PlannedStep) -> dict[str, Folder]:
    """The folders of the products that a step takes, by dotted key."""
    return {key: each.folder for key, each in step.inputs.items()}


def dataset_of(step: PlannedStep, catalog: Catalog) -> dict[str, str]:
    """What run.json says of a step's images."""
    assert step.data
    context = "training" if step.job.trains else "evaluation"
    return {"source": step.data.source, "address": catalog.folder(step.data).uri, "context": context}


def device_of(resources: Resources) -> str:
    """What a job computes on: the type of its device here, or of its workers'."""
    if resources.backend == "local":
        return resources.device().type
    from preimage.cluster.connect import gives_gpus  # imported only if it is needed

    return "cuda" if gives_gpus(resources) else "cpu"


def hardware_of(resources: Resources) -> dict[str, Any] | None:
    """What a job works on: of this machine, or of its workers'. None if that is not known."""
    on_gpu = device_of(resources) == "cuda"
    if resources.backend == "local":
        return hardware.used(hardware.machine(), resources.cpus_per_worker, on_gpu)
    from preimage.cluster.hardware import hardware_of  # imported only if it is needed

    return hardware_of(resources, on_gpu)


def _note_device(run: RunFolder, device: str) -> None:
    """Warn if a run resumes on another kind of device."""
    before = run.device()
    if before not in (None, device):
        log.warning(
            "%s was begun on the %s and resumes on the %s: it agrees with an undisturbed run up to rounding",
            *(run.name, NAMES[str(before)], NAMES[device]),
        )
    if before != device:
        run.compute_on(device)


def _outcome(plan: Plan, step: PlannedStep, result: Result, run_id: str | None) -> Outcome:
    run, worked = step.run, attempts.read(step.run)
    figures = write_result(run, result)
    known = flatten(result.metrics)
    made = [name for name, row in PRODUCTS.items() if name in step.job.makes and row.is_result]
    return Outcome(
        job=step.job.job,
        name=step.name,
        run=run.name,
        fingerprint=step.fingerprint,
        metrics=plain_names(result.metrics),
        folder=run.folder.uri,
        products={name: run.product(name).uri for name in made},
        figures=figures,
        mlflow_run_id=run_id,
        headline=[each.name for each in step.job.metrics() if each.headline and each.name in known],
        seconds=attempts.seconds(worked),
        cost=cost_of(plan, [step]),
        hardware=attempts.hardware(worked),
    )


def _pipeline_outcome(plan: Plan, outcomes: dict[str, Outcome], run_id: str | None) -> Outcome:
    """A pipeline's outcome: what all steps made, each name after its step's."""
    return Outcome(
        job="pipeline",
        name=plan.spec.name,
        run=plan.run.name,
        fingerprint=plan.fingerprint,
        metrics=_by_step({step: each.metrics for step, each in outcomes.items()}),
        folder=plan.run.folder.uri,
        products=_by_step({step: each.products for step, each in outcomes.items()}),
        figures=_by_step({step: each.figures for step, each in outcomes.items()}),
        mlflow_run_id=run_id,
        steps={name: each.plain() for name, each in outcomes.items()},
        headline=[f"{step}.{name}" for step, each in outcomes.items() for name in each.headline],
        seconds=_seconds(outcomes.values()),
    )


def _seconds(outcomes: Iterable[Outcome]) -> float | None:
    """What all steps took; steps that are the same run count once. None if it is not known of one."""
    found = {each.run: each.seconds for each in outcomes}.values()
    return None if None in found else round(sum(each or 0.0 for each in found), 3)


def _by_step(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One mapping of several, by `<step>.<name>`."""
    return {f"{step}.{name}": value for step, part in parts.items() for name, value in part.items()}
