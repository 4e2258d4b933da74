"""Load a spec: YAML, a profile and overrides in; typed, complete jobs out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preimage.errors import SpecError
from preimage.recipes.config import JobConfig
from preimage.recipes.jobs import JOBS
from preimage.specs import overrides
from preimage.specs.models import Pipeline, SpecKeys, job_spec
from preimage.specs.validation import Mistake, check, unknown
from preimage.specs.validation import Path as Place
from preimage.specs.yaml_lines import Document, parse
from preimage.tracking.config import TrackingConfig

STEP_NAME = re.compile(r"[a-z][a-z0-9_-]*")
INHERITED = ("seed", "resources", "data")
"""Keys of a pipeline that its steps take over unless they have their own."""


@dataclass(frozen=True)
class Spec:
    """A spec that can be run: every setting known, every mistake excluded that the file alone can show."""

    name: str
    results: str
    tracking: TrackingConfig
    steps: dict[str, JobConfig]
    """Jobs in the order they run. A spec that is a single job has one, by the spec's name."""
    is_pipeline: bool

    def resolved(self) -> dict[str, Any]:
        """The whole spec as plain values, to be stored and loaded again."""
        head = {"name": self.name, "results": self.results, "tracking": self.tracking.model_dump(mode="json")}
        jobs = {name: job.model_dump(mode="json") for name, job in self.steps.items()}
        return head | ({"steps": jobs} if self.is_pipeline else next(iter(jobs.values())))


def load(path: Path, profile: str | None = None, changes: Sequence[str] = ()) -> Spec:
    """Read a spec file, apply a profile, then overrides such as `training.images=1000`.

    Raises SpecError with every mistake in one report, each with its line.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the spec {path}: {error}") from error
    return loads(text, str(path), path.stem, profile, changes)


def loads(text: str, origin: str, name: str, profile: str | None = None, changes: Sequence[str] = ()) -> Spec:
    """Read a spec from its text; `origin` is what messages call it."""
    document = parse(text, origin)
    chosen = _profile(document, origin, profile)
    asked = dict(overrides.parse_override(change) for change in changes)
    value = {key: part for key, part in document.value.items() if key != "profiles"}
    value = overrides.apply(overrides.apply(value, chosen), asked)
    spec, mistakes = _build(value, name)
    if mistakes or not spec:
        places = _Places(document, value, profile, chosen, asked)
        raise SpecError(_report(origin, mistakes, places))
    return spec


def _profile(document: Document, origin: str, profile: str | None) -> dict[str, Any]:
    profiles = document.value.get("profiles") or {}
    if not isinstance(profiles, dict) or not all(isinstance(each, dict) for each in profiles.values()):
        raise SpecError(f"{origin}: profiles must be names, each with dotted keys and their values")
    if profile is None:
        return {}
    if profile not in profiles:
        known = [str(each) for each in profiles]
        raise SpecError(
            f"{origin}: {profile!r}: {unknown(profile, known, 'profile') if known else 'it has no profiles'}"
        )
    return {str(key): value for key, value in profiles[profile].items()}


def _build(value: dict[str, Any], name: str) -> tuple[Spec | None, list[Mistake]]:
    has_jobs = "job" not in value or isinstance(value.get("steps"), dict)  # a job may have steps of its own
    if "steps" in value and has_jobs:
        return _build_pipeline(value, name)
    config, mistakes = _check_job(value, (), whole=True)
    if config is None:
        return None, mistakes
    name = config.name or name
    keys = {key: getattr(config, key) for key in ("results", "tracking")}
    job = JOBS[config.job].config.model_validate(config.model_dump(exclude=set(SpecKeys.model_fields)))
    return Spec(name, steps={name: job}, is_pipeline=False, **keys), []


def _build_pipeline(value: dict[str, Any], name: str) -> tuple[Spec | None, list[Mistake]]:
    head, mistakes = check(
        Pipeline, {key: part for key, part in value.items() if key != "steps"} | {"steps": {}}
    )
    steps, inherited = value["steps"], {key: value[key] for key in INHERITED if key in value}
    if not isinstance(steps, dict) or not steps:
        return None, [*mistakes, (("steps",), "must be step names, each with a job")]
    defaults = value.get("defaults") if head else {}
    mistakes += _check_defaults(defaults or {}, steps)
    jobs: dict[str, JobConfig] = {}
    for step, body in steps.items():
        place = ("steps", step)
        if not STEP_NAME.fullmatch(str(step)):
            mistakes.append((place, "a step's name is lower-case letters, digits, - and _"))
        job, wrong = _check_job(_inherit(body, inherited, defaults or {}), place)
        mistakes += wrong
        if job:
            mistakes += _check_references(job, place, str(step), list(steps), jobs)
            jobs[str(step)] = job
    if mistakes or not isinstance(head, Pipeline):
        return None, mistakes
    return Spec(head.name or name, head.results, head.tracking, jobs, is_pipeline=True), []


def _check_defaults(defaults: dict[str, Any], steps: dict[str, Any]) -> list[Mistake]:
    done = [body.get("job") for body in steps.values() if isinstance(body, dict)]
    mistakes: list[Mistake] = []
    for kind, settings in defaults.items():
        if kind not in JOBS:
            mistakes.append((("defaults", kind), unknown(str(kind), list(JOBS), "job")))
        elif kind not in done:
            mistakes.append((("defaults", kind), f"no step does {kind}"))
        elif "job" in settings:
            mistakes.append((("defaults", kind, "job"), "a step says its job itself: remove it here"))
    return mistakes


def _inherit(body: Any, inherited: dict[str, Any], defaults: dict[str, Any]) -> Any:
    """A step with what the pipeline says for all, with its images where the step must be given some, and with
    the defaults of its job."""
    if not isinstance(body, dict):
        return body
    body = overrides.merge(defaults.get(str(body.get("job"))) or {}, body)
    job = JOBS.get(str(body.get("job")))
    field = job.config.model_fields.get("data") if job else None
    if not field or not field.is_required():
        inherited = {key: value for key, value in inherited.items() if key != "data"}
    merged = inherited | body
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
        problem = (
            "is needed but not there"
            if kind is None
            else f"{kind!r}: {unknown(str(kind), list(JOBS), 'job')}"
        )
        return None, [((*place, "job"), problem)]
    return check(job_spec(kind) if whole else JOBS[kind].config, body, place)


def _check_references(
    job: JobConfig, place: Place, step: str, steps: list[str], jobs: dict[str, JobConfig]
) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for key, (name, product) in job.needs().items():
        where = (*place, *key.split("."))
        if name in jobs and product not in jobs[name].GIVES:
            mistakes.append((where, f"the step {name!r} ({jobs[name].job}) leaves no {product}"))
        elif name in steps[steps.index(step) :]:
            mistakes.append((where, f"the step {name!r} does not come before this one"))
    return mistakes


@dataclass(frozen=True)
class _Places:
    """Where the parts of a spec come from: a line, a profile, or the command line."""

    document: Document
    value: dict[str, Any]
    profile: str | None
    chosen: dict[str, Any]
    asked: dict[str, Any]

    def __call__(self, place: Place) -> str:
        places = [place, *self._default(place)]
        for key in self.asked:
            if any(self._within(each, overrides.path_of(self.value, key)) for each in places):
                return "command line"
        for key in self.chosen:
            if any(self._within(each, overrides.path_of(self.value, key)) for each in places):
                line = self.document.lines.get(("profiles", str(self.profile), key), "?")
                return f"line {line}, profile {self.profile}"
        place = next((each for each in places if each in self.document.lines), place)
        while place and place not in self.document.lines:
            place = place[:-1]
        return f"line {self.document.lines.get(place, 1)}"

    def _default(self, place: Place) -> list[Place]:
        """Where a step's setting stands if it is a default of its job."""
        steps = self.value.get("steps")
        step = steps.get(place[1]) if len(place) > 2 and isinstance(steps, dict) else None
        return [("defaults", str(step.get("job")), *place[2:])] if isinstance(step, dict) else []

    @staticmethod
    def _within(place: Place, other: Place) -> bool:
        return place[: len(other)] == other or other[: len(place)] == place


def _report(origin: str, mistakes: Sequence[Mistake], places: _Places) -> str:
    lines = [
        f"  {places(place)}: {'.'.join(map(str, place)) or 'the spec'}: {problem}"
        for place, problem in mistakes
    ]
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return f"{origin} has {count}:\n" + "\n".join(lines)
