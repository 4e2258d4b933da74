"""The fraction of codes recovered: by both layers' channels, and by all else that is varied."""

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from preimage.figures.plots import figure_png, new_figure
from preimage.jobs.invertibility.nets import Net
from preimage.jobs.invertibility.recovery import Found
from preimage.jobs.invertibility.sweeps import Sweep

Curves = Mapping[str, list[Found]]

LAST = "expansivity of the last layer"


def expansivity_png(curves: Curves, latent_dim: int) -> bytes:
    """By C1 and C2, and by the second layer's expansivity (theorem 1)."""
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    rows = list(curves.values())
    _squares(left, rows, latent_dim)
    for row, colour in zip(rows, _colours(len(rows)), strict=True):
        ratios, net = [each.last_layer for each in row], row[0].net
        label = f"C₁ = {net.channels[1]}: {net.expansivity[0]:.2g}"
        right.plot(ratios, _shares(row, "recovered_negative"), "o-", markersize=4, color=colour, label=label)
        right.plot(ratios, _shares(row, "recovered"), ":", color=colour)
    _dress(right, f"{LAST}, C₂ℓ / (C₁ log C₁)")
    right.legend(frameon=False, title="expansivity of the first layer\n(dotted: without −ẑ)", fontsize=9)
    return figure_png(figure)


def recovery_png(sweeps: Mapping[str, tuple[Sweep, Curves]], base: Net) -> bytes:
    """By the last layer's expansivity, a panel for each thing varied but the channels."""
    panels = {name: each for name, each in sweeps.items() if name != "channels"}
    figure = new_figure(11, 8)
    code, hidden, _ = base.channels
    figure.suptitle(
        f"ReLU nets of {code}-{hidden}-C channels, kernel {base.kernel}, stride {base.stride}, normal "
        "weights, all seen, but for what varies. C′: channels of the layer before.\n"
        "Recovered from a random start or from −ẑ. Grey: expansivity 1. The theorems ask for more than a "
        "constant that they do not state.",
        fontsize=10,
    )
    for axes, (name, (sweep, curves)) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for (key, curve), colour in zip(curves.items(), _colours(len(curves)), strict=True):
            shares, label = _shares(curve, "recovered_negative"), sweep.labels[key]
            ratios = [each.last_layer for each in curve]
            axes.plot(ratios, shares, "o-", markersize=4, color=colour, label=label)
            if name == "rates" and curve[0].net.rate < 1:
                unscaled = [each.last_layer / each.net.rate for each in curve]
                axes.plot(unscaled, shares, ":", color=colour)
        _dress(axes, f"{LAST}, r C ℓ / (C′ log C′)" if name == "rates" else f"{LAST}, C ℓ / (C′ log C′)")
        axes.set_title(f"{sweep.title} ({sweep.claim})", fontsize=11)
        title = "dotted: without the factor r" if name == "rates" else None
        axes.legend(
            frameon=False,
            fontsize=9,
            loc="upper left" if title else "lower right",
            title=title,
            title_fontsize=9,
        )
    return figure_png(figure)


def _dress(axes: Axes, label: str) -> None:
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set(xscale="log", xlabel=label, ylabel="fraction of codes recovered", ylim=(-0.03, 1.03))
    axes.spines[["top", "right"]].set_visible(False)


def _squares(axes: Axes, rows: list[list[Found]], latent_dim: int) -> None:
    """Shares by channels. Each square prints its own, in bold where both expansivities reach 1."""
    shares = np.array([_shares(row, "recovered_negative") for row in rows]).T
    axes.imshow(shares, origin="lower", cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(rows):
        for j, each in enumerate(row):
            bold = "bold" if min(each.net.expansivity) >= 1 else "normal"
            share, colour = shares[j, i], "white" if shares[j, i] < 0.6 else "black"
            axes.text(i, j, f"{share:.2f}", ha="center", va="center", color=colour, weight=bold)
    firsts = [row[0].net for row in rows]
    axes.set_xticks(range(len(rows)), [f"{net.channels[1]}\n{net.expansivity[0]:.2g}" for net in firsts])
    axes.set_yticks(range(len(rows[0])), [str(each.net.channels[2]) for each in rows[0]])
    axes.set(xlabel="channels of the first layer, C₁, and its expansivity C₁ℓ / (C₀ log C₀)")
    axes.set(ylabel="channels of the second layer, C₂")
    axes.set_title(f"Codes of {latent_dim} components recovered (bold: both expansivities ≥ 1)", fontsize=10)


def _shares(row: list[Found], name: str) -> list[float]:
    return [each.shares[name] for each in row]


def _colours(count: int) -> list[tuple[float, ...]]:
    return [tuple(colormaps["viridis"](i / max(1, count))) for i in range(count)]
