"""Choose the parameters of each trial: Optuna's samplers, replayed from the results.

A sampler's state is never stored. The parameters of trial n follow only from the spec and the results of
trials 0 to n - parallel, told to the sampler in their order. They depend neither on which trial ended first,
nor on how often the study was interrupted. A resumed study replays every ask and tell, which takes no time
compared to a trial, and resumes with exactly what was missing.
"""

import json
import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from preimage.specs.search import SamplerConfig, Space
from preimage.specs.search_space import Point, active, grid_points, grid_values, in_order, ordered, settle
from preimage.tuning.records import TrialRecord

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

    from preimage.specs.study import StudySpec

log = logging.getLogger(__name__)


class Searcher:
    """Asks for trials in the order of their numbers, and tells the sampler all results that each may know."""

    def __init__(self, spec: "StudySpec", negate_metric: bool = False) -> None:
        """negate_metric: whether the scheduler's metric and the first objective have opposite directions."""
        self.spec, self.negate_metric = spec, negate_metric
        self.asked: list[Point] = []
        self.n_told = 0
        self._grid = _grid(spec) if spec.sampler.name == "grid" else None
        self._study = None if self._grid else _study(spec)
        self._trials: list[optuna.Trial] = []

    def ask(self, records: Mapping[int, TrialRecord]) -> Point | None:
        """The parameters of the next trial; None at the end, and while one of `visible_trials` is missing."""
        number = len(self.asked)
        if number >= self.spec.trials or not self.may_ask(number, records):
            return None
        point = self._grid[number] if self._grid else self._ask(number, records)
        if (record := records.get(number)) and record.params != point:
            log.warning(
                "trial %d ran with %s, but the sampler now asks for %s, perhaps because Optuna's version "
                "changed. The trial counts as it ran; later ones may differ from an uninterrupted study's.",
                number,
                record.params,
                point,
            )
            point = record.params
        self.asked.append(point)
        return point

    def may_ask(self, number: int, records: Mapping[int, TrialRecord]) -> bool:
        """Whether all results that decide trial `number` are known."""
        return not self.spec.is_adaptive or all(each in records for each in visible_trials(self.spec, number))

    def _ask(self, number: int, records: Mapping[int, TrialRecord]) -> Point:
        for each in visible_trials(self.spec, number):
            if each >= self.n_told:
                self._tell(records[each])
                self.n_told = each + 1
        with quiet():
            trial = self._study.ask()  # pyright: ignore[reportOptionalMemberAccess]
            self._trials.append(trial)
            return suggest(trial, self.spec.space)

    def _tell(self, record: TrialRecord) -> None:
        import optuna

        trial, study = self._trials[record.number], self._study
        assert study is not None
        with quiet():
            if record.state == "complete":
                study.tell(trial, [record.values[name] for name in self.spec.objectives])
                return
            if record.state == "failed":
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return
            for images, value in record.intermediate[-1:]:
                trial.report(-value if self.negate_metric else value, images)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def visible_trials(spec: "StudySpec", number: int) -> range:
    """The trials whose results trial `number` may depend on: all but the last `parallel` before it."""
    return range(max(0, number - spec.parallel + 1) if spec.is_adaptive else 0)


def suggest(trial: "optuna.Trial", space: Mapping[str, Space]) -> Point:
    """A value for every key whose condition holds."""
    point: Point = {}
    for key in ordered(space):
        if active(space, key, point):
            each = space[key]
            point[key] = _value(trial, key, each)
    return in_order(space, point)


def _value(trial: "optuna.Trial", key: str, space: Space) -> Any:
    if space.choice is not None:
        choices = [to_optuna(space, each) for each in space.choice]
        return from_optuna(space, trial.suggest_categorical(key, choices))
    if space.integer is not None:
        return trial.suggest_int(key, *space.integer, log=space.log)
    low, high = space.bounds or (0.0, 1.0)
    return trial.suggest_float(key, low, high, log=space.log_uniform is not None)


def distribution(space: Space) -> "BaseDistribution":
    """A key's space as Optuna's distribution."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if space.choice is not None:
        return CategoricalDistribution([to_optuna(space, each) for each in space.choice])
    if space.integer is not None:
        return IntDistribution(*space.integer, log=space.log)
    low, high = space.bounds or (0.0, 1.0)
    return FloatDistribution(low, high, log=space.log_uniform is not None)


def to_optuna(space: Space, value: Any) -> Any:
    """A value as Optuna stores it: choices that are lists or mappings become JSON text."""
    compound = space.choice is not None and isinstance(value, list | tuple | dict)
    return json.dumps(value) if compound else value


def from_optuna(space: Space, value: Any) -> Any:
    """The inverse of `to_optuna`."""
    if space.choice is None:
        return value
    return next(each for each in space.choice if to_optuna(space, each) == value)


def directions(spec: "StudySpec") -> list[Literal["minimize", "maximize"]]:
    """The directions of the objectives, in Optuna's words."""
    return list(spec.objectives.values())


def quiet() -> warnings.catch_warnings:
    """Silence Optuna's warnings about experimental features: our tests pin what we use."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning)


def _study(spec: "StudySpec") -> "optuna.Study":
    import optuna

    with quiet():
        return optuna.create_study(sampler=_sampler(spec.sampler, spec.parallel), directions=directions(spec))


def _sampler(config: SamplerConfig, parallel: int) -> "optuna.samplers.BaseSampler":
    from optuna import samplers

    if config.name == "random":
        return samplers.RandomSampler(seed=config.seed)
    if config.name == "cma-es":
        return samplers.CmaEsSampler(seed=config.seed, n_startup_trials=config.n_startup_trials)
    return samplers.TPESampler(
        seed=config.seed, n_startup_trials=config.n_startup_trials, constant_liar=parallel > 1
    )


def _grid(spec: "StudySpec") -> list[Point]:
    """The points of Optuna's grid in its order, shuffled by the seed. Points that conditions make equal come
    once."""
    import optuna

    space = spec.space
    values = {
        key: [to_optuna(each, value) for value in grid_values(key, each)] for key, each in space.items()
    }
    with quiet():
        sampler = optuna.samplers.GridSampler(values, seed=spec.sampler.seed)
        study = optuna.create_study(sampler=sampler)
        points: list[Point] = []
        while len(points) < len(grid_points(space)):
            trial = study.ask({key: distribution(each) for key, each in space.items()})
            chosen = {key: from_optuna(each, trial.params[key]) for key, each in space.items()}
            if (point := settle(space, chosen)) not in points:
                points.append(point)
    return points
