"""Typed jobs from plain values: one job, or the steps of a pipeline with its rounds expanded."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from preimage.data.config import DataConfig
from preimage.errors import PluginError
from preimage.jobs.base import Job
from preimage.jobs.references import references
from preimage.jobs.registry import JOBS
from preimage.runs.spec_params import SECTIONS
from preimage.specs import overrides
from preimage.specs.models import Pipeline, SpecKeys, around, job_spec
from preimage.specs.rounds import Rounds, rounds_of
from preimage.specs.step_runs import StepRun, redirected, written_out
from preimage.specs.validation import Mistake, check
from preimage.specs.validation import Path as Place
from preimage.storage.address import results_root
from preimage.tracking.config import TrackingConfig

STEP_NAME = re.compile(r"[a-z][a-z0-9_-]*")
INHERITED = ("seed", "resources", "data", "store")
"""Keys of a pipeline that its steps inherit unless they set their own."""
GIVEN = ("data", "store")
"""Of these, the keys that only the steps that require them inherit."""


@dataclass(frozen=True)
class Spec:
    """A spec that can run: all settings are known, and the file alone shows no mistake."""

    name: str
    results: str
    tracking: TrackingConfig
    steps: dict[str, Job]
    """Jobs in the order they run. A spec of a single job has one, under the spec's name."""
    is_pipeline: bool
    rounds: Rounds | None = None
    """The rounds of a pipeline that repeats some of its steps."""
    code: tuple[str, ...] = ()
    """Modules whose code may build generators."""
    data: DataConfig | None = None
    """A pipeline's images, for a step that names none and whose generator does not know its own."""
    variant: str = field(default="", compare=False)
    """The profile by which it was read and whether it was overridden. Two roads to the same settings lead to
    the same runs, so this is not stored with the settings."""

    @property
    def title(self) -> str:
        """The spec's name and variant: `spec demo, profile small`."""
        return titled(self.name, self.variant)

    @property
    def around(self) -> dict[str, Any]:
        """Where results go and runs are recorded, to store with a job, which by itself registers nothing."""
        return around(self.results, self.tracking.model_copy(update={"register_as": None}))

    def renamed(self, names: Mapping[str, str]) -> "Spec":
        """The spec with these texts in the place of others, wherever they stand in its jobs."""
        if not names:
            return self
        steps = {
            name: type(job).model_validate(renamed(job.model_dump(mode="json"), names))
            for name, job in self.steps.items()
        }
        rounds = self.rounds and replace(self.rounds, written=renamed(self.rounds.written, names))
        return replace(self, steps=steps, rounds=rounds)

    def resolved(self) -> dict[str, Any]:
        """The whole spec as plain values, to store and load again."""
        head = {"name": self.name} | around(self.results, self.tracking)
        if self.data:
            head["data"] = self.data.model_dump(mode="json")
        if self.rounds:
            return head | self.rounds.written
        jobs = {name: job.model_dump(mode="json") for name, job in self.steps.items()}
        return head | ({"steps": jobs} if self.is_pipeline else next(iter(jobs.values())))


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Plain values with these texts in the place of others."""
    if isinstance(value, dict):
        return {key: renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [renamed(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value


def titled(name: str, variant: str) -> str:
    """A spec's name and variant: `spec demo, profile small`."""
    return ", ".join(filter(None, (f"spec {name}", variant)))


def build(value: dict[str, Any], name: str) -> tuple[Spec | None, list[Mistake]]:
    """The spec that plain values describe, or every mistake in them. `name`: used if the spec has none."""
    has_jobs = "job" not in value or isinstance(value.get("steps"), dict)  # some jobs have a key `steps`
    if "steps" in value and has_jobs:
        return _build_pipeline(value, name)
    config, mistakes = _check_job(value, (), whole=True)
    if config is None:
        return None, mistakes
    name = config.name or name
    job = JOBS[config.job].model_validate(config.model_dump(exclude=set(SpecKeys.model_fields)))
    if wrong := _check_registers(config.tracking, [job]):
        return None, wrong
    root = results_root(spec=config.results)
    return Spec(name, root, config.tracking, {name: job}, is_pipeline=False, code=config.code), []


def _build_pipeline(value: dict[str, Any], name: str) -> tuple[Spec | None, list[Mistake]]:
    jobs_in = {key: value[key] for key in SECTIONS if key in value}
    head, mistakes = check(Pipeline, value | {key: {} for key in jobs_in})
    wrong = [
        ((section,), "must map step names to jobs")
        for section, steps in jobs_in.items()
        if not isinstance(steps, dict) or not steps
    ]
    if wrong:
        return None, mistakes + wrong
    if not isinstance(head, Pipeline):  # report the steps' own mistakes too
        head = Pipeline.model_validate({"steps": {}})
    mistakes += _check_defaults(head.defaults)
    inherited = {key: value[key] for key in INHERITED if key in value}
    order, wrong = written_out(jobs_in, head.rounds)
    mistakes += wrong
    if value.get("store") is not None and not any(_takes_store(each.body) for each in order):
        mistakes.append((("store",), "no step takes it: set the store of a step, as STEP.store"))
    names = [each.name for each in order]
    mistakes += [
        (
            (each.section, each.step),
            f"a run of it is named {each.name!r}, like another step: rename one of them",
        )
        for each in order
        if names.count(each.name) > 1
    ]
    jobs: dict[str, Job] = {}
    versions: dict[str, list[StepRun]] = {}
    plain: dict[str, dict[str, Any]] = {section: {} for section in jobs_in}
    for each in order:
        place = (each.section, each.step)
        base = _images_of_generator(each.body, versions, jobs) or inherited.get("data")
        body = _inherit(each.body, inherited | ({"data": base} if base else {}), head.defaults)
        job, wrong = _step(each.step, body, place)
        if job:
            plain[each.section][each.step] = each.plain(job)
            job, ambiguous = redirected(job, versions, each)
            wrong += [((*place, *key.split(".")), problem) for key, problem in ambiguous]
            later = {other.step for other in order} - versions.keys()
            wrong += _check_references(job, place, each.name, [*names, *later], jobs)
            jobs[each.name] = job
        versions.setdefault(each.step, []).append(each)
        mistakes += [one for one in wrong if one not in mistakes]
    rounds, wrong = rounds_of(head, order, plain, jobs)
    mistakes += _check_registers(head.tracking, jobs.values())
    if mistakes := mistakes + wrong:
        return None, mistakes
    root = results_root(spec=head.results)
    return Spec(head.name or name, root, head.tracking, jobs, True, rounds, head.code, head.data), []


def _check_registers(tracking: TrackingConfig, jobs: Iterable[Job]) -> list[Mistake]:
    if not tracking.register_as or any("generator" in job.makes for job in jobs):
        return []
    return [(("tracking", "register_as"), "nothing here makes a generator that could be registered")]


def _step(step: str, body: Any, place: Place) -> tuple[Any, list[Mistake]]:
    named = STEP_NAME.fullmatch(str(step))
    rule = "a step name must be lower-case letters, digits, - and _, and start with a letter"
    wrong = [] if named else [(place, rule)]
    job, mistakes = _check_job(body, place)
    return job, [*wrong, *mistakes]


def _images_of_generator(
    body: Any, versions: Mapping[str, list[StepRun]], jobs: Mapping[str, Job]
) -> dict[str, Any] | None:
    """The images of the earlier step whose generator a step takes, as plain values, if they are known."""
    named = body.get("generator") if isinstance(body, dict) else None
    runs = versions.get(named, []) if isinstance(named, str) else []
    maker = jobs.get(runs[-1].name) if runs else None
    return maker.own_data.model_dump(mode="json") if maker and maker.own_data else None


def _takes_store(body: Any) -> bool:
    """Whether a step requires a store and names none."""
    job = JOBS.get(body.get("job")) if isinstance(body, dict) else None
    field = job.model_fields.get("store") if job else None
    return bool(field and field.is_required() and "store" not in body)


def _check_defaults(defaults: Mapping[str, Any]) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for kind, settings in defaults.items():
        if kind not in JOBS:
            mistakes.append((("defaults", kind), JOBS.unknown(kind)))
        elif "job" in settings:
            mistakes.append((("defaults", kind, "job"), "defaults cannot set job: each step names its own"))
    return mistakes


def _inherit(body: Any, inherited: dict[str, Any], defaults: dict[str, Any]) -> Any:
    """A step with the pipeline's settings for all steps, its images and store if the step requires them, and
    the defaults of its job."""
    if not isinstance(body, dict):
        return body
    body = overrides.merge(defaults.get(str(body.get("job"))) or {}, body)
    job = JOBS.get(body.get("job"))
    fields = job.model_fields if job else {}
    needed = {name for name, field in fields.items() if field.is_required()}
    merged = {key: value for key, value in inherited.items() if key not in GIVEN or key in needed} | body
    for key in ("resources", "data"):
        own, above = body.get(key), inherited.get(key)
        if isinstance(own, dict) and isinstance(above, dict) and "source" not in own:
            merged[key] = above | own
    return merged


def _check_job(body: Any, place: Place, whole: bool = False) -> tuple[Any, list[Mistake]]:
    if not isinstance(body, dict):
        return None, [(place, f"must be a mapping with a job, but got {body!r}")]
    kind = body.get("job")
    if not isinstance(kind, str) or kind not in JOBS:
        problem = "is required" if kind is None else f"{kind!r}: {JOBS.unknown(kind)}"
        return None, [((*place, "job"), problem)]
    try:
        return check(job_spec(kind) if whole else JOBS[kind], body, place)
    except PluginError as error:
        return None, [((*place, "job"), str(error))]


def _check_references(
    job: Job, place: Place, step: str, steps: list[str], jobs: dict[str, Job]
) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for key, name in references(job).items():
        where = (*place, *key.split("."))
        if name in jobs and name.product not in jobs[name].makes:
            mistakes.append((where, f"the step {str(name)!r} ({jobs[name].job}) leaves no {name.product}"))
        elif name in steps[steps.index(step) :]:
            mistakes.append((where, f"the step {str(name)!r} does not come before this one"))
    return mistakes
