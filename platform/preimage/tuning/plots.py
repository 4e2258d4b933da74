"""Optuna's own figures of a study."""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.visualization import matplotlib as visual

from preimage.specs.search import BEST_VALUE, Direction
from preimage.specs.study import StudySpec
from preimage.tuning.naming import short_names
from preimage.tuning.records import TrialRecord
from preimage.tuning.searcher import directions, distribution, quiet, to_optuna

STATES = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}
FEWEST = 2
"""Complete trials that a figure of parameters needs."""


def optuna_plots(spec: StudySpec, records: Sequence[TrialRecord]) -> tuple[dict[str, bytes], list[str]]:
    """PNGs by file name, and a sentence for each figure that cannot be drawn, which says why.

    With several objectives, each has its own figures, under its name.
    """
    study, objectives = _study(spec, records), spec.objectives
    titles = short_names(objectives)
    pictures: dict[str, bytes] = {}
    remarks: list[str] = []
    for place, (key, direction) in enumerate(objectives.items()):
        own = f"-{titles[key]}" if len(objectives) > 1 else ""
        what: dict[str, Any] = {"target_name": titles[key]}
        if len(objectives) > 1:
            what["target"] = _value_at(place)
        done = [each for each in study.trials if each.state == TrialState.COMPLETE]
        for name, draw in _kinds(study, direction, what).items():
            if why := _cannot(name, done, place):
                remarks.append(f"No {name}{own}.png: {why}.")
            else:
                pictures[f"{name}{own}.png"] = _drawn(draw)
    if any(record.intermediate for record in records if record.state != "failed"):
        pictures["curves.png"] = _drawn(lambda: _curves(study, spec.scheduler.metric or "value"))
    if len(objectives) in (2, 3) and len(study.best_trials) > 0:
        front = list(titles.values())
        pictures["pareto-front.png"] = _drawn(lambda: visual.plot_pareto_front(study, target_names=front))
    return pictures, remarks


def _kinds(study: optuna.Study, direction: Direction, what: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    def history() -> Axes:
        axes = visual.plot_optimization_history(study, **what)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(f"History, {BEST_VALUE[direction]} {what['target_name']} is best")
        return axes

    return {
        "history": history,
        "importances": lambda: visual.plot_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0), **what
        ),
        "slice": lambda: visual.plot_slice(study, **what),
        "parallel-coordinate": lambda: visual.plot_parallel_coordinate(study, **what),
    }


def _curves(study: optuna.Study, metric: str) -> Axes:
    """The scheduler's metric of every trial; those that it stopped early have shorter curves."""
    axes = visual.plot_intermediate_values(study)
    axes.set(title=f"{metric} while training", xlabel="images seen", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), ncols=1 + len(study.trials) // 20, fontsize=7)
    return axes


def _cannot(name: str, done: Sequence[FrozenTrial], place: int) -> str | None:
    """Why a figure cannot be drawn; None if it can."""
    if not done:
        return "no trial is complete"
    if name == "history":
        return None
    if len(done) < FEWEST:
        return "one complete trial says nothing about the parameters"
    shared = set.intersection(*(set(each.params) for each in done))
    if name == "importances":
        if not shared:
            return "no parameter has a value in every trial"
        if len({each.values[place] for each in done}) == 1:
            return "the objective is the same for all trials"
        if all(len({repr(each.params[key]) for each in done}) == 1 for key in shared):
            return "every parameter that all trials have is the same for all of them"
    return None


def _value_at(place: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[place]


def _study(spec: StudySpec, records: Sequence[TrialRecord]) -> optuna.Study:
    """The trials as Optuna knows them, in memory, with names that fit into a figure."""
    names, space = short_names(spec.space), spec.space
    with quiet():
        study = optuna.create_study(directions=directions(spec))  # pyright: ignore[reportArgumentType]
        for record in sorted(records, key=lambda each: each.number):
            values = [record.values[name] for name in spec.objectives] if record.state == "complete" else None
            finite = values is None or bool(np.isfinite(values).all())
            trial = create_trial(
                state=STATES[record.state] if finite else TrialState.FAIL,
                values=values if finite else None,
                params={names[key]: to_optuna(space[key], value) for key, value in record.params.items()},
                distributions={names[key]: distribution(space[key]) for key in record.params},
                intermediate_values=dict(record.intermediate),
            )
            study.add_trial(trial)
    return study


def _drawn(draw: Callable[[], Any]) -> bytes:
    """Optuna's figure as the bytes of a PNG."""
    with _drawing(), quiet():
        drawn = draw()
        axes: Axes = np.ravel(np.asarray(drawn, dtype=object))[0]
        figure = axes.get_figure(root=True)
        assert isinstance(figure, Figure)
        _tidy(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120, bbox_inches="tight", facecolor="white")
        return buffer.getvalue()


def _tidy(figure: Figure) -> None:
    """Keep numbers on logarithmic axes from overlapping, and panels beside each other wide enough."""
    beside = [axes for axes in figure.axes if axes.get_subplotspec() and axes.get_xlabel()]
    if len(beside) > 1:
        figure.set_size_inches(max(figure.get_figwidth(), 3.0 * len(beside)), figure.get_figheight())
    for axes in figure.axes:
        x = (axes.get_xscale(), axes.get_xlim(), axes.xaxis)
        y = (axes.get_yscale(), axes.get_ylim(), axes.yaxis)
        for scale, (low, high), axis in (x, y):
            if scale == "log":
                at = (1.0, 2.0, 5.0) if high < 20 * low else (1.0, 3.0) if high < 500 * low else (1.0,)
                axis.set_major_locator(LogLocator(subs=at))
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())


@contextmanager
def _drawing() -> Iterator[None]:
    """Restore pyplot: Optuna draws through it, changes its style and leaves figures open."""
    before = plt.get_backend()
    plt.switch_backend("agg")
    try:
        with plt.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Attempting to set identical")  # a parameter of one value
            yield
    finally:
        plt.close("all")
        plt.switch_backend(before)
