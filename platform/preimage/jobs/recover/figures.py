"""Figures of precise-recovery: success by threshold, and the error of codes by added noise."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from preimage.figures.plots import figure_png, new_figure
from preimage.jobs.recover.condition import Condition
from preimage.jobs.recover.metrics import TITLES, Way
from preimage.jobs.recover.results import RecoveredCodes

COLOURS = {"none": "tab:blue", "clip": "tab:orange", "stochastic-clip": "tab:green", "ball": "tab:red"}
WIDTH = 0.8
"""Of the bars of one threshold."""
MARK: dict[str, Any] = {"color": "white", "markeredgecolor": "black", "markersize": 7}
"""How a prediction looks."""


def success_png(
    found: Mapping[Way, RecoveredCodes],
    paper: Mapping[str, Mapping[float, float]],
    condition: Condition,
    settings: Mapping[str, str],
) -> bytes:
    """The fraction recovered by threshold, a panel for each inversion (table 1): a bar for each technique,
    across it the paper's, and across them all what the local rate predicts.

    settings: how each inversion searches, in words.
    """
    figure, panels = _panels(settings)
    thresholds = list(next(iter(found.values())).success)
    for name, axes in panels.items():
        ways = [way for way in found if way.inversion == name]
        each = WIDTH / len(ways)
        for number, way in enumerate(ways):
            left = [place - WIDTH / 2 + number * each for place in range(len(thresholds))]
            heights = list(found[way].success.values())
            colour = COLOURS[way.technique]
            axes.bar(left, heights, each * 0.92, align="edge", color=colour, label=TITLES[way.technique])
            for start, threshold in zip(left, thresholds, strict=True):
                if (theirs := paper.get(way.technique, {}).get(threshold)) is not None:
                    axes.hlines(theirs, start, start + each * 0.92, color="black", linewidth=2)
        if name in condition.predicted:
            shares = [condition.predicted[name].share(threshold) for threshold in thresholds]
            axes.plot(range(len(thresholds)), shares, "D", **MARK)
        axes.set_xticks(range(len(thresholds)), [f"{threshold:g}" for threshold in thresholds])
        axes.set(xlabel="threshold on the mean squared error of a component", ylim=(0, 1.05))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    first = next(iter(panels.values()))
    first.set_ylabel("codes recovered")
    first.plot([], [], color="black", linewidth=2, label="the paper's")
    if condition.predicted:
        first.plot([], [], "D", label="predicted by the local rate", **MARK)
    figure.suptitle(f"generator: {condition.short()}", fontsize=9)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return figure_png(figure)


def noise_png(found: Mapping[Way, Mapping[float, RecoveredCodes]], settings: Mapping[str, str]) -> bytes:
    """The mean error of a code, and dotted its median, by the variance of the noise (figure 2); a panel for
    each inversion."""
    figure, panels = _panels(settings)
    for way, line in found.items():
        axes, colour = panels[way.inversion], COLOURS[way.technique]
        label = TITLES[way.technique]
        axes.plot(list(line), [each.error for each in line.values()], "o-", color=colour, label=label)
        axes.plot(list(line), [each.median for each in line.values()], ".:", color=colour)
        axes.set(xscale="log", yscale="log", xlabel="variance of the noise")
    first = next(iter(panels.values()))
    first.set_ylabel("mean squared error of a component")
    first.legend(frameon=False, title="mean (dotted: median)", fontsize=8)
    return figure_png(figure)


def _panels(settings: Mapping[str, str]) -> tuple[Figure, dict[str, Axes]]:
    figure = new_figure(max(6.4, 4.8 * len(settings)), 4.4)
    drawn = figure.subplots(1, len(settings), sharey=True, squeeze=False)[0]
    for axes, (name, text) in zip(drawn, settings.items(), strict=True):
        axes.set_title(f"{name}\n{fill(text, 72)}", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, dict(zip(settings, drawn, strict=True))
