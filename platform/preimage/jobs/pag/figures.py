"""The figures of a pag job."""

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from preimage.figures.plots import figure_png, new_figure
from preimage.jobs.pag.spectra import Spectrum


def spectra_png(spectra: Sequence[Spectrum], normal: Spectrum) -> bytes:
    """A curve for each store, and a dashed one for normal codes; flexible-priors, figure 8."""
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    for i, each in enumerate(spectra):
        colour = colormaps["viridis"](0.9 * i / max(len(spectra) - 1, 1))
        order = range(1, each.latent_dim + 1)
        axes.plot(order, each.values, "o-", color=colour, markersize=3, label=_label(each))
    axes.plot(range(1, normal.latent_dim + 1), normal.values, "--", color="grey", label=_label(normal))
    axes.set(xlabel="component", ylabel="singular value / (√N σ)", title="Spectra of the latent codes")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure_png(figure)


def _label(each: Spectrum) -> str:
    return f"{each.name}, d = {each.latent_dim}, N = {each.pag.count:,}: PAG {each.pag.pag:.2f}"
