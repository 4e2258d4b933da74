"""Figures of precise-recovery: success by threshold, and the error of codes by added noise."""

from collections.abc import Mapping

from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from preimage.figures.plots import figure_png, new_figure
from preimage.jobs.recover.report import RecoveredCodes

COLOURS = {"none": "tab:blue", "clip": "tab:orange", "stochastic-clip": "tab:green", "ball": "tab:red"}


def success_png(found: Mapping[str, RecoveredCodes], paper: Mapping[str, Mapping[float, float]]) -> bytes:
    """The fraction recovered by threshold: a line for each technique, dashed the paper's (table 1)."""
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    for name, each in found.items():
        colour = COLOURS[name]
        axes.plot(list(each.success), list(each.success.values()), "o-", color=colour, label=name)
        if name in paper:
            axes.plot(list(paper[name]), list(paper[name].values()), "x--", color=colour, linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({t for each in found.values() for t in each.success})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="threshold on the mean squared error of a code", ylabel="codes recovered")
    axes.set_ylim(-0.03, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="dashed: the paper")
    return figure_png(figure)


def noise_png(found: Mapping[str, Mapping[float, RecoveredCodes]]) -> bytes:
    """The mean error of a code, and dotted its median, by the variance of the noise (figure 2)."""
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    for name, line in found.items():
        colour = COLOURS[name]
        axes.plot(list(line), [each.error for each in line.values()], "o-", color=colour, label=name)
        axes.plot(list(line), [each.median for each in line.values()], ".:", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="variance of the noise", ylabel="squared error of a code")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="mean (dotted: median)")
    return figure_png(figure)
