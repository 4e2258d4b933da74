"""The table of a study: its ranked trials, how its metrics agree, and the user's picks."""

from collections.abc import Mapping, Sequence

from preimage.figures.tables import markdown
from preimage.specs.search import BEST_VALUE
from preimage.tuning.annotations import Pick
from preimage.tuning.correlation import FEWEST, Correlation, PartialCorrelation
from preimage.tuning.naming import number, short_names
from preimage.tuning.ranking import Ranking, value_of
from preimage.tuning.records import TrialRecord

Correlations = Mapping[tuple[str, str], Correlation | None]


def table(
    ranking: Ranking,
    keys: Sequence[str],
    found: Correlations,
    picks: Sequence[Pick] = (),
    remarks: Sequence[str] = (),
    show: Sequence[str] = (),
) -> str:
    """The report as Markdown. keys: of the space. remarks: what else a reader has to know. show: metrics
    beside those that the trials are ranked by."""
    parts = [
        _head(ranking),
        _ranked(ranking, keys, picks, show) if ranking.complete else "",
        _others(ranking, keys) if ranking.others else "",
        *(correlation_text(ranking, pair, each) for pair, each in found.items()),
        _explained(found),
        _partials(ranking, found),
        *(_picked(ranking, pick) for pick in picks),
        _order_of_picks(ranking, picks),
        *remarks,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(ranking: Ranking) -> str:
    counts = {"complete": len(ranking.complete)}
    for state in ("stopped", "failed"):
        counts[state] = sum(each.state == state for each in ranking.others)
    counted = ", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "complete")
    order = f"ranked by {ranking.first}, {BEST_VALUE[ranking.objectives[ranking.first]]} first"
    return f"{ranking.total} trial{'s' * (ranking.total != 1)}: {counted}; {order}."


def _ranked(ranking: Ranking, keys: Sequence[str], picks: Sequence[Pick], show: Sequence[str]) -> str:
    """A place in parentheses is that by the column's own metric."""
    names, titles = short_names(keys), short_names([*ranking.compared, *show])
    several = len(ranking.objectives) > 1
    columns = [f"{titles[each]} ({BEST_VALUE[way]})" for each, way in ranking.compared.items()]
    columns += [titles[each] for each in show]
    head = ["rank", "trial", *(names[key] for key in keys), *columns, "remarks", "run"]
    rows = [head]
    for each in ranking.complete:
        marks = ["Pareto front"] if several and each.number in ranking.front else []
        marks += [f"picked as {pick.name}" for pick in picks if pick.trial == each.number]
        values = [_value(ranking, each, name) for name in ranking.compared]
        values += [number(value_of(each, name)) for name in show]
        place = [str(ranking.rank(each.number)), str(each.number), *_params(each, keys)]
        rows.append([*place, *values, ", ".join(marks) or "-", each.run or "-"])
    return markdown(_without_empty(rows))


def _value(ranking: Ranking, record: TrialRecord, name: str) -> str:
    """A trial's value, and its place by it if that is not the table's order."""
    text = number(value_of(record, name))
    return text if name == ranking.first else f"{text} ({ranking.rank(record.number, name)})"


def _without_empty(rows: list[list[str]]) -> list[list[str]]:
    """Drop the columns in which no trial has anything."""
    kept = [i for i in range(len(rows[0])) if any(row[i] != "-" for row in rows[1:])]
    return [[row[i] for i in kept] for row in rows]


def _params(record: TrialRecord, keys: Sequence[str]) -> list[str]:
    return [_cell(number(record.params[key])) if key in record.params else "-" for key in keys]


def _others(ranking: Ranking, keys: Sequence[str]) -> str:
    names = short_names(keys)
    rows = [["not ranked", *(names[key] for key in keys), "state", "why"]]
    for each in sorted(ranking.others, key=lambda record: record.state != "stopped"):
        why = _cell((each.error or "-").strip())
        rows.append([str(each.number), *_params(each, keys), each.state, why])
    return markdown(_without_empty(rows))


def _cell(text: str) -> str:
    """The text on one line, with the bars escaped that would end a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def correlation_text(ranking: Ranking, pair: tuple[str, str], found: Correlation | None) -> str:
    """Say whether two metrics rank the trials alike."""
    first, second = (f"{name} ({BEST_VALUE[ranking.compared[name]]} is best)" for name in pair)
    if found is None:
        count = len(ranking.complete)
        why = (
            f"{count} complete trial{'s have' if count != 1 else ' has'} no order to compare"
            if count < FEWEST
            else "one of them is the same for all complete trials, or not a number for nearly all of them"
        )
        return f"Between {first} and {second} there is no rank correlation: {why}."
    verdict = {
        True: "rank the trials alike",
        False: "rank the trials oppositely: what one calls better, the other calls worse",
        None: "are not shown to rank the trials alike or oppositely: the interval contains 0",
    }[found.agrees]
    return (
        f"**{first} and {second} {verdict}.** Over {found.count} complete trials, directions aligned, "
        f"Spearman's rho is {found.rho:+.2f} (95% interval {found.low:+.2f} to {found.high:+.2f}, "
        f"p = {found.p:.2g}) and Kendall's tau {found.tau:+.2f}{_as_they_are(ranking, pair, found)}."
    )


def _as_they_are(ranking: Ranking, pair: tuple[str, str], found: Correlation) -> str:
    """The rho of the table's own columns, if that differs."""
    if len({ranking.compared[name] for name in pair}) == 1:
        return ""
    return f"; rho is {-found.rho:+.2f} between the table's columns, one of which is best at its lowest"


def _explained(found: Correlations) -> str:
    if not any(found.values()):
        return ""
    return (
        "A correlation of +1 means that two metrics rank the trials in the same order, best first, "
        "whether the lowest or the highest is best; -1 means that one's best is the other's worst. The "
        "interval is from bootstrap samples of the trials; p is from a permutation test."
    )


def _partials(ranking: Ranking, found: Correlations) -> str:
    """What is left of each correlation given each parameter; empty if none has an order."""
    keys = list(dict.fromkeys(key for each in found.values() if each for key in each.partial))
    if not keys:
        return ""
    names, titles = short_names(keys), short_names(ranking.compared)
    rows = [["Spearman's rho between", "of all", *(f"given {names[key]}" for key in keys)]]
    for (a, b), each in found.items():
        if each:
            parts = [each.partial.get(key) for key in keys]
            cells = [_rho(part) if part else "-" for part in (each, *parts)]
            rows.append([f"{titles[a]} and {titles[b]}", *cells])
    return (
        markdown(rows) + "\n\nGiven a parameter: the partial correlation of the ranks, which the parameter "
        "alone does not explain. With 95% intervals from bootstrap samples of the trials."
    )


def _rho(found: Correlation | PartialCorrelation) -> str:
    return f"{found.rho:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def _picked(ranking: Ranking, pick: Pick) -> str:
    numbers = [each.number for each in ranking.complete]
    titles = short_names(ranking.compared)
    note = f" “{pick.note}”" if pick.note else ""
    if pick.trial not in numbers:
        return f"By eye, {pick.user} picked trial {pick.trial} as the {pick.name} ({pick.time[:10]}).{note}"
    ranks = " and ".join(f"{ranking.rank(pick.trial, name)} by {titles[name]}" for name in titles)
    return (
        f"By eye, {pick.user} picked trial {pick.trial} as the {pick.name} ({pick.time[:10]}); of "
        f"{len(numbers)} it ranks {ranks}.{note}"
    )


def _order_of_picks(ranking: Ranking, picks: Sequence[Pick]) -> str:
    """Whether each objective ranks the picked best before the picked worst."""
    trial = {pick.name: pick.trial for pick in picks}
    numbers = [each.number for each in ranking.complete]
    if len(trial) < 2 or not all(each in numbers for each in trial.values()):
        return ""
    verdicts = []
    for name, title in short_names(ranking.compared).items():
        best, worst = (ranking.rank(trial[each], name) for each in ("best", "worst"))
        before = "before" if best < worst else "after" if best > worst else "level with"
        verdicts.append(f"{title} ranks the best {before} the worst")
    return f"Of these two, {', '.join(verdicts)}."


def values_text(record: TrialRecord, ranking: Ranking) -> str:
    """A complete trial's objectives in one line."""
    titles = short_names(ranking.objectives)
    return ", ".join(f"{titles[name]} {number(record.values[name])}" for name in ranking.objectives)
