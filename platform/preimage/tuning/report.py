"""The report of a study: a table, its samples side by side, its metrics against each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from preimage.errors import StorageError
from preimage.jobs.base import Result
from preimage.specs.study import StudySpec
from preimage.storage.folder import Folder
from preimage.tuning.annotations import Pick
from preimage.tuning.correlation import Correlation
from preimage.tuning.figures import Axis, Panel, Scatter, best_worst_png, gallery_png, scatter_png
from preimage.tuning.naming import params_text, short_names
from preimage.tuning.ranking import Ranking, correlations, rank
from preimage.tuning.records import TrialRecord
from preimage.tuning.table import Correlations, table, values_text

SHOWN = 64
"""Most trials in the gallery; of more, it shows the first and the last in rank."""
LAST = 16
"""How many of these are the last ones."""
ACROSS = 4
"""Trials in a row of the gallery, and twice as many if there were more than four rows."""


def report(spec: StudySpec, records: Sequence[TrialRecord], picks: Sequence[Pick]) -> Result:
    """Rank the trials, and make a table and figures of them.

    May be called at any time, with the trials that have ended. The table names each figure that cannot be
    drawn, and says why.
    """
    from preimage.tuning.plots import optuna_plots  # Optuna: half a second

    ranking = rank(records, spec.objectives, spec.correlate)
    found = correlations(ranking)
    pictures, remarks = _samples(ranking, spec, picks)
    if scatters := _scatters(ranking, found):
        pictures["correlation.png"] = scatter_png(scatters)
    drawn, missing = optuna_plots(spec, records)
    pictures |= drawn
    text = table(ranking, list(spec.space), found, picks, [*remarks, *missing], spec.show)
    return Result(metrics(ranking, found, picks), pictures, text)


def metrics(ranking: Ranking, found: Correlations, picks: Sequence[Pick]) -> dict[str, Any]:
    """The metrics of a study: counts, the best trial and its values, correlations, the Pareto front."""
    states = [each.state for each in (*ranking.complete, *ranking.others)]
    titles = short_names(ranking.compared)
    counted: dict[str, Any] = {"trials": len(states)}
    counted |= {state: states.count(state) for state in ("complete", "stopped", "failed")}
    if ranking.complete:
        best = ranking.complete[0]
        counted |= {"best_trial": best.number, "best": best.values, "best_params": best.params}
    if len(ranking.objectives) > 1:
        counted["pareto_front"] = sorted(ranking.front)
    pairs = {f"{titles[a]} and {titles[b]}": each for (a, b), each in found.items() if each}
    if pairs:
        counted["correlation"] = {name: _numbers(each) for name, each in pairs.items()}
    if picks:
        counted["picked"] = {pick.name: pick.trial for pick in picks}
    return counted


def _numbers(found: Correlation) -> dict[str, Any]:
    names = short_names(found.partial)
    return {**vars(found), "partial": {names[key]: vars(each) for key, each in found.partial.items()}}


def _samples(ranking: Ranking, spec: StudySpec, picks: Sequence[Pick]) -> tuple[dict[str, bytes], list[str]]:
    grids = {each.number: _grid(each) for each in ranking.complete}
    if not any(grids.values()):
        why = "no trial is complete" if not grids else "no trial left a grid of samples"
        return {}, [f"No gallery.png and no best-worst.png: {why}."]
    panels = {each.number: _panel(ranking, each, spec, grids[each.number]) for each in ranking.complete}
    pictures: dict[str, bytes] = {}
    order = [each.number for each in ranking.complete]
    shown = order if len(order) <= SHOWN else [*order[: SHOWN - LAST], *order[-LAST:]]
    columns = ACROSS if len(shown) <= ACROSS**2 else 2 * ACROSS
    pictures["gallery.png"] = gallery_png([panels[number] for number in shown], columns)
    remarks = []
    if len(shown) < len(order):
        remarks.append(
            f"gallery.png shows the first {SHOWN - LAST} and the last {LAST} of {len(order)} trials."
        )
    if len(order) < 2:
        return pictures, [*remarks, "No best-worst.png: the only complete trial is both."]
    pictures["best-worst.png"] = best_worst_png(_best_worst(ranking, picks, panels))
    return pictures, remarks


def _best_worst(
    ranking: Ranking, picks: Sequence[Pick], panels: dict[int, Panel]
) -> list[tuple[str, Panel, Panel]]:
    title = short_names(ranking.objectives)[ranking.first].replace("_", " ")
    order = [each.number for each in ranking.complete]
    pairs = [(f"by {title}", panels[order[0]], panels[order[-1]])]
    chosen = {pick.name: panels[pick.trial] for pick in picks if pick.trial in panels}
    if chosen:
        nothing = Panel("not picked", "", None)
        pairs.append(("by eye", chosen.get("best", nothing), chosen.get("worst", nothing)))
    return pairs


def _panel(ranking: Ranking, record: TrialRecord, spec: StudySpec, samples: bytes | None) -> Panel:
    note = f"{values_text(record, ranking)}\n{params_text(record.params, short_names(spec.space))}"
    return Panel(
        f"trial {record.number}, rank {ranking.rank(record.number)} of {len(ranking.complete)}", note, samples
    )


def _grid(record: TrialRecord) -> bytes | None:
    """The trial's grid of samples; None if there is none, or if it was removed."""
    if not record.samples:
        return None
    try:
        file = Folder.at(record.samples)
        return file.parent.find(file.name)
    except StorageError:  # its results are elsewhere, or were removed: the table has its values
        return None


def _scatters(ranking: Ranking, found: Correlations) -> list[Scatter]:
    """A scatter for each two metrics that are correlated and that at least two trials have."""
    titles = short_names(ranking.compared)
    scatters = []
    for (a, b), correlation in found.items():
        x, y = ranking.values(a), ranking.values(b)
        finite = np.isfinite(x) & np.isfinite(y)
        if finite.sum() < 2:
            continue
        trials = [each for each, has_both in zip(ranking.complete, finite, strict=True) if has_both]
        scatters.append(
            Scatter(
                x=Axis(titles[a], ranking.compared[a], x[finite]),
                y=Axis(titles[b], ranking.compared[b], y[finite]),
                numbers=[each.number for each in trials],
                best=0,
                front=[each.number in ranking.front for each in trials],
                caption=_caption(correlation),
            )
        )
    return scatters


def _caption(found: Correlation | None) -> str:
    if found is None:
        return "no rank correlation"
    return (
        f"Spearman's rho {found.rho:+.2f} (95% interval {found.low:+.2f} to {found.high:+.2f}, "
        f"p = {found.p:.2g})\nKendall's tau {found.tau:+.2f}; +1: both rank all {found.count} alike"
        f"{_given(found)}"
    )


def _given(found: Correlation) -> str:
    names = short_names(found.partial)
    parts = [f"{names[key]} {each.rho:+.2f}" for key, each in found.partial.items()]
    return "\nrho given " + ", ".join(parts) if parts else ""
