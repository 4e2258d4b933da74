"""Specs of studies: a trial's body, the search space, and the objectives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from preimage.errors import SpecError
from preimage.specs import overrides
from preimage.specs.load import Places, profile_of, read, report, require_no_secret, variant
from preimage.specs.models import Study, around
from preimage.specs.override_text import put
from preimage.specs.overrides import Changes
from preimage.specs.pipeline import Spec, build, titled
from preimage.specs.search import Direction, SamplerConfig, SchedulerConfig, Space
from preimage.specs.search_space import grid_points
from preimage.specs.study_checks import body_of, check_study
from preimage.specs.validation import Path as Place
from preimage.specs.validation import check
from preimage.specs.yaml_lines import Written, parse
from preimage.storage.address import results_root
from preimage.tracking.config import TrackingConfig


@dataclass(frozen=True)
class StudySpec:
    """A study that can run: the file alone shows no mistake."""

    name: str
    results: str
    tracking: TrackingConfig
    trial: dict[str, Any]
    """The body of a job or pipeline, as a spec file has it."""
    space: dict[str, Space]
    objectives: dict[str, Direction]
    """In the order of the spec: the first ranks the trials."""
    correlate: dict[str, Direction]
    """Further metrics that the report ranks by."""
    show: tuple[str, ...]
    """Metrics that its table shows beside."""
    sampler: SamplerConfig
    scheduler: SchedulerConfig
    trials: int
    parallel: int
    code: tuple[str, ...] = ()
    """Modules whose code may build generators."""
    variant: str = field(default="", compare=False)
    """As a `Spec`'s."""

    @property
    def title(self) -> str:
        """The study's name and variant."""
        return titled(self.name, self.variant)

    def resolved(self) -> dict[str, Any]:
        """The whole spec as plain values, to store and load again."""
        return {
            "name": self.name,
            **around(self.results, self.tracking),
            "trial": self.trial,
            "space": {key: space.plain() for key, space in self.space.items()},
            "objectives": dict(self.objectives),
            "correlate": dict(self.correlate),
            "show": list(self.show),
            "sampler": self.sampler.model_dump(mode="json"),
            "scheduler": self.scheduler.model_dump(mode="json"),
            "trials": self.trials,
            "parallel": self.parallel,
        }

    @property
    def is_adaptive(self) -> bool:
        """Whether a trial depends on the results of earlier trials."""
        return self.sampler.name in ("tpe", "cma-es") or self.scheduler.name != "none"

    def spec_of(self, params: Mapping[str, Any], name: str) -> Spec:
        """The spec of one trial. Raises SpecError if these values do not go together."""
        body = body_of(self.trial, params) | around(self.results, self.tracking)
        spec, mistakes = build(body, name)
        if mistakes or not spec:
            wrong = "; ".join(f"{'.'.join(map(str, place))}: {problem}" for place, problem in mistakes)
            raise SpecError(f"{name}, with {dict(params)}: {wrong}")
        return replace(spec, variant=self.variant)


def is_study(written: Written, origin: str) -> bool:
    """Whether a spec describes a study. Raises SpecError if it is not YAML."""
    return "space" in parse(written, origin).value


def load_study(path: Path, profile: str | None = None, changes: Changes = ()) -> StudySpec:
    """Read a study's file. Raises SpecError with every mistake in one report, each with its line."""
    return loads_study(read(path), str(path), path.stem, profile, changes)


def loads_study(
    written: Written, origin: str, name: str, profile: str | None = None, changes: Changes = ()
) -> StudySpec:
    """Read a study from its text, or from plain values; messages call it `origin`."""
    document = parse(written, origin)
    require_no_secret(document, origin)
    chosen = profile_of(document, origin, profile)
    value = {key: part for key, part in document.value.items() if key != "profiles"}
    by_profile: dict[str, Place] = {}
    for key, part in chosen.items():
        by_profile[key] = _place(value, key)
        value = put(value, by_profile[key], part)
    value, asked = overrides.changed(value, changes, _place)
    study, mistakes = check(Study, value)
    if isinstance(study, Study):
        mistakes = check_study(study)
    if mistakes or not isinstance(study, Study):
        raise SpecError(report(origin, mistakes, Places(document, value, profile, by_profile, asked)))
    return StudySpec(
        name=study.name or name,
        results=results_root(spec=study.results),
        tracking=study.tracking,
        trial=study.trial,
        space=study.space,
        objectives=study.objectives,
        correlate=study.correlate,
        show=study.show,
        sampler=study.sampler,
        scheduler=study.scheduler,
        trials=len(grid_points(study.space)) if study.sampler.name == "grid" else study.trials or 0,
        parallel=study.parallel,
        code=study.code,
        variant=variant(profile, asked),
    )


def _place(value: dict[str, Any], key: str) -> Place:
    """The path of an override's key in a study. Keys of `space` and `objectives` contain dots."""
    head, _, rest = key.partition(".")
    inner = value.get(head)
    if rest and isinstance(inner, dict):
        if head == "trial":
            return ("trial", *overrides.path_of(inner, rest))
        if head in ("space", "objectives"):
            whole = next((each for each in inner if rest == each or rest.startswith(f"{each}.")), rest)
            below = rest[len(whole) + 1 :]
            return (head, whole, *(below.split(".") if below else ()))
    return tuple(key.split("."))
