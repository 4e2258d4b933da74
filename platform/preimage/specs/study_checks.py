"""The mistakes in a study that can be found before anything runs."""

from collections.abc import Mapping
from typing import Any

from preimage.config import unknown
from preimage.errors import SpecError
from preimage.runs.spec_params import SECTIONS
from preimage.specs import overrides
from preimage.specs.load import within
from preimage.specs.models import Pipeline, SpecKeys, Study
from preimage.specs.objectives import check_reported, check_scheduler
from preimage.specs.pipeline import Spec, build
from preimage.specs.search import Space
from preimage.specs.search_space import (
    Point,
    allowed,
    complete,
    grid_points,
    grid_size,
    ordered,
    required,
    variants,
)
from preimage.specs.validation import Mistake, keys_of
from preimage.specs.validation import Path as Place

LARGEST_GRID = 1000
AROUND = frozenset(SpecKeys.model_fields)


def body_of(trial: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's body with these values. Raises SpecError if it has no place for one of them."""
    return overrides.apply(dict(trial), dict(params))


def check_study(study: Study) -> list[Mistake]:
    """Every mistake that involves more than a single key."""
    mistakes: list[Mistake] = [
        (("trial", key), "belongs beside `trial`, not in it") for key in study.trial if key in AROUND
    ]
    if study.tracking.register_as:
        what = "a study registers no generator: run the spec of the trial that you choose with it"
        mistakes.append((("tracking", "register_as"), what))
    mistakes += _check_keys(study.trial, study.space) + _check_conditions(study.space)
    mistakes += _check_sampler(study)
    if mistakes:
        return mistakes
    specs, mistakes = _build_variants(study.trial, study.space)
    if mistakes:
        return mistakes
    built = [spec for _, spec in specs]
    mistakes = _check_effect(specs, study.space)
    for key in ("objectives", "correlate", "show"):
        mistakes += check_reported(key, getattr(study, key), built)
    mistakes += [
        (("correlate", name), "is an objective, and correlated as such: remove it here")
        for name in study.correlate
        if name in study.objectives
    ]
    return mistakes + check_scheduler(study.scheduler, built)


def _check_keys(trial: dict[str, Any], space: Mapping[str, Space]) -> list[Mistake]:
    """Keys that no trial can have, as far as their first part shows."""
    mistakes: list[Mistake] = []
    steps = [name for key in SECTIONS if isinstance(trial.get(key), dict) for name in trial[key]]
    known = [*steps, *(set(keys_of(Pipeline)) - AROUND)] if steps and "job" not in trial else None
    for key in space:
        parts = key.split(".")
        if "resources" in parts or parts[0] in AROUND:
            why = "has no effect on results: vary a key that does"
            mistakes.append((("space", key), why))
        elif known and parts[0] not in known:
            mistakes.append((("space", key), unknown(parts[0], known, "step or key")))
    return mistakes


def _check_conditions(space: Mapping[str, Space]) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for key, each in space.items():
        for other, values in each.when.items():
            if other not in space or other == key:
                problem = unknown(other, [name for name in space if name != key], "key of this space")
                mistakes.append((("space", key, "when", other), problem))
            else:
                mistakes += [
                    (("space", key, "when", other), f"{other} is never {value!r}")
                    for value in allowed(values)
                    if not _has(space[other], value)
                ]
    if mistakes:
        return mistakes
    try:
        ordered(space)
    except ValueError as error:
        return [(("space",), str(error))]
    for key in space:
        try:
            required(space, key)
        except ValueError as error:
            mistakes.append((("space", key, "when"), f"this condition never holds: {error}"))
    return mistakes


def _has(space: Space, value: Any) -> bool:
    if space.choice is not None:
        return value in space.choice
    low, high = space.bounds or (0, 0)
    return isinstance(value, int | float) and low <= value <= high


def _check_sampler(study: Study) -> list[Mistake]:
    name, space = study.sampler.name, study.space
    mistakes: list[Mistake] = []
    if name == "grid":
        mistakes += _check_grid(study)
    elif study.trials is None:
        mistakes.append((("trials",), f"is required: the number of trials that {name} may sample"))
    if name == "cma-es":
        for key, each in space.items():
            if each.choice is not None:
                mistakes.append(
                    (("space", key), "cma-es samples numbers, not choices: use sampler.name: tpe")
                )
            elif each.when:
                mistakes.append((("space", key, "when"), "cma-es has no conditions: use sampler.name: tpe"))
        if len(space) < 2:
            mistakes.append((("space",), "cma-es needs at least two keys: use sampler.name: tpe"))
        if len(study.objectives) > 1:
            mistakes.append((("objectives",), "cma-es optimizes one objective only: use sampler.name: tpe"))
    if study.scheduler.name != "none" and len(study.objectives) > 1:
        count = len(study.objectives)
        problem = f"{study.scheduler.name} compares trials by one metric but got {count} objectives: "
        mistakes.append((("scheduler", "name"), problem + "use scheduler.name: none, or one objective"))
    return mistakes


def _check_grid(study: Study) -> list[Mistake]:
    continuous = [key for key, each in study.space.items() if each.choice is None and each.integer is None]
    if continuous:
        return [
            (
                ("space", key),
                "a grid cannot cover a continuous key: use choice, or sampler.name: random",
            )
            for key in continuous
        ]
    size = grid_size(study.space)
    if size > LARGEST_GRID:
        problem = f"a grid cannot exceed {LARGEST_GRID:,} trials but has {size:,}: use sampler.name: random"
        return [(("space",), problem)]
    if not _check_conditions(study.space) and study.trials not in (
        None,
        size := len(grid_points(study.space)),
    ):
        return [(("trials",), f"the grid has {size} points: write trials: {size}, or remove it")]
    return []


def _build_variants(
    trial: dict[str, Any], space: Mapping[str, Space]
) -> tuple[list[tuple[str, Spec]], list[Mistake]]:
    """The trial's spec at every choice and bound, by the varied key; or the mistakes there."""
    specs: list[tuple[str, Spec]] = []
    mistakes: dict[tuple[Place, str], None] = {}
    base = complete(space, {})
    for mistake in _mistakes_at(trial, base, None):
        mistakes[mistake] = None
    if any(place[0] == "trial" for place, _ in mistakes):  # mistakes of the body, at any point
        return [], list(mistakes)
    for key, point in variants(space):
        wrong = _mistakes_at(trial, point, key)
        for mistake in wrong:
            mistakes[mistake] = None
        if not wrong:
            spec, _ = build(body_of(trial, point), "trial")
            specs += [(key, spec)] if spec else []
    return specs, list(mistakes)


def _mistakes_at(trial: dict[str, Any], point: Point, varied: str | None) -> list[Mistake]:
    """The mistakes in a trial at one point, each at the key of the space that causes it."""
    try:
        body = body_of(trial, point)
    except SpecError as error:
        return [(("space", varied or next(iter(point))), str(error))]
    _, found = build(body, "trial")
    return [_at_key(trial, point, place, problem, varied) for place, problem in found]


def _at_key(trial: dict[str, Any], point: Point, place: Place, problem: str, varied: str | None) -> Mistake:
    for key in point:
        path = overrides.path_of(trial, key)
        if any(
            len(each) >= len(path) - 1 and within(each, path) for each in (place, *_as_default(trial, place))
        ):
            return ("space", key), problem
    if varied is None:
        return ("trial", *place), problem
    return ("space", varied), f"with {point[varied]!r}, {'.'.join(map(str, place))}: {problem}"


def _as_default(trial: dict[str, Any], place: Place) -> list[Place]:
    """The path of a step's setting if the space varies it as a default of its job."""
    steps = trial.get("steps")
    step = steps.get(place[1]) if isinstance(steps, dict) and len(place) > 2 else None
    return [("defaults", str(step.get("job")), *place[2:])] if isinstance(step, dict) else []


def _check_effect(specs: list[tuple[str, Spec]], space: Mapping[str, Space]) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for key in space:
        made = [_identity(spec) for name, spec in specs if name == key]
        if len(made) > 1 and all(each == made[0] for each in made):
            why = "none of its values has an effect: a step's own setting overrides them"
            mistakes.append((("space", key), why))
    return mistakes


def _identity(spec: Spec) -> dict[str, Any]:
    return {name: config.model_dump(exclude={"resources"}) for name, config in spec.steps.items()}
