"""docs/reproduction.md: the claims of the papers beside what the recorded runs say."""

from collections import Counter
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from preimage.figures.tables import markdown

from .claims import Claim, Paper, read_papers
from .how import how, took
from .records import Record, read_all
from .verdicts import FEWEST, Value, Verdict, judge, recorded, values

VERDICTS = (
    "reproduced",
    "direction only",
    "undecided",
    "not reproduced",
    "not judged",
    "missing",
    "needs a GPU",
    "needs a file",
    "not built",
    "nothing to run",
)
NO_RECORD = ("missing", "needs a GPU", "needs a file")
INTRODUCTION = """# What is reproduced

*Written by `make ledger`. Edit the claims in [reproduction/papers](reproduction/papers), not this page.*

Every table, figure, theorem and printed result of the five papers has a row: what the paper says, on which
data, and what our runs say. No number of ours is typed: each comes from a run's outcome, kept in
[reproduction](reproduction) with its whole spec. Where a rule can decide the verdict, it does, from these
numbers; the rules stand beside the claims.

- **reproduced**: our values are as near to the paper's as the rule asks. **direction only**: they differ, but
  in the order or the direction that the paper claims. **undecided**: the means are in that order, but by less
  than their interval. **not reproduced**: neither, and why.
- **missing**: built, but not run yet; the row has the command. **needs a GPU**, **needs a file**: the same,
  and what keeps it from running here. **not built**: there is no code for it. **nothing to run**:
  a proof, a derivation or another author's model. **not judged**: recorded, and waits for someone to look.
- Values of three seeds or more are means with a 95% interval (Student's t). An order counts only where the
  interval of the differences excludes 0, if both values are of the same seeds; else where the intervals do
  not overlap. Of one seed or two, which the row says, all values have to be in order. Time is
  from a run's start to its outcome, pauses included, with the instruction set of the processor, on which a
  training's last digits depend.

To add a run to a row: `python -m reproduction record RUN --as NAME`, where NAME is one that the row's `runs`
names, then `make ledger`.
"""


def build(folder: Path) -> str:
    """The page. folder: docs/reproduction. Raises PreimageError for a mistake in a claim or a record."""
    papers, records = read_papers(folder / "papers"), read_all(folder)
    sections = [_section(name, paper, records) for name, paper in papers.items()]
    return "\n".join([INTRODUCTION, _summary(papers, records), *sections])


def anchor(paper: str, claim: Claim) -> str:
    return f"{paper}-{claim.id}"


def _summary(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    counts = {
        name: Counter(judge(claim, records).is_ for claim in paper.claims) for name, paper in papers.items()
    }
    used = [each for each in VERDICTS if any(count[each] for count in counts.values())]
    rows = [["paper", *used]]
    rows += [
        [f"[{papers[name].short}](#{name})", *(str(count[each]) for each in used)]
        for name, count in counts.items()
    ]
    return markdown(rows) + "\n"


def _section(name: str, paper: Paper, records: Mapping[str, Record]) -> str:
    rows = [["claim", "the paper's data and values", "ours", "run", "verdict"]]
    rows += [_row(name, claim, records) for claim in paper.claims]
    parts = [f'<a id="{name}"></a>', f"## {paper.short}: {paper.title}", markdown(rows)]
    for table in dict.fromkeys(claim.table for claim in paper.claims if claim.table):
        parts += [f"**{table}**, the paper's value / ours:", _table(table, paper, records)]
    return "\n\n".join(parts) + "\n"


def _row(paper: str, claim: Claim, records: Mapping[str, Record]) -> list[str]:
    found, used = values(claim, records), recorded(claim, records)
    place = f'<a id="{anchor(paper, claim)}"></a>**{claim.where}.** {claim.says}'
    printed, ours = (
        _values_text(claim, found) if not claim.table else ("values below", "values below" if found else "")
    )
    theirs = "; ".join(filter(None, (claim.data, printed)))
    made = how(used.values(), [each.metric for each in claim.ours.values()])
    mine = "; ".join(filter(None, (ours, made, _seeds_text(claim, found)))) or "-"
    return [
        _cell(each) for each in (place, theirs, mine, _runs(used), _verdict(claim, judge(claim, records)))
    ]


def _values_text(claim: Claim, found: Mapping[str, Value]) -> tuple[str, str]:
    theirs = "; ".join(f"{name}: {as_printed(each)}" for name, each in claim.printed.items())
    mine = "; ".join(f"{name}: {value_text(found[name])}" for name in claim.names if name in found)
    return theirs, mine


def _seeds_text(claim: Claim, found: Mapping[str, Value]) -> str:
    most = max((len(each.each) for each in found.values()), default=FEWEST)  # real images have no seed
    if not claim.random or most >= FEWEST:
        return ""
    return "one seed" if most == 1 else "two seeds"


def _runs(used: Mapping[str, Record]) -> str:
    return (
        ", ".join(
            f"[{name}](reproduction/{name}.json) `{each.run}` ({took(each)})" for name, each in used.items()
        )
        or "-"
    )


def _verdict(claim: Claim, verdict: Verdict) -> str:
    why = (
        f"{', because' if verdict.is_ == 'not reproduced' else ':'} {verdict.because}"
        if verdict.because
        else ""
    )
    make = ""
    if verdict.is_ in NO_RECORD and claim.command:
        make = f" `{claim.command}`" + (f" ({claim.takes})" if claim.takes else "")
    return f"**{verdict.is_}**{why}{'.' if why and make else ''}{make}"


def _table(table: str, paper: Paper, records: Mapping[str, Record]) -> str:
    """A column for each claim of the table, a row for each value."""
    claims = [claim for claim in paper.claims if claim.table == table]
    found = [values(claim, records) for claim in claims]
    rows = [["", *(claim.title or claim.where for claim in claims)]]
    for name in dict.fromkeys(name for claim in claims for name in claim.names):
        cells = [
            f"{as_printed(claim.printed[name]) if name in claim.printed else '-'} / "
            f"{value_text(mine[name]) if name in mine else '-'}"
            if name in claim.names
            else ""
            for claim, mine in zip(claims, found, strict=True)
        ]
        rows.append([name, *cells])
    return markdown(rows)


def value_text(value: Value) -> str:
    """A value, with its interval where it has one."""
    if len(value.each) < FEWEST:
        return " and ".join(map(number, value.each))
    return f"{number(value.mean)} ± {number(value.half)}"


def as_printed(value: float) -> str:
    """A paper's value, with no more digits than it prints."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def number(value: float) -> str:
    """Three digits; whole numbers, and thousands, in full."""
    if not isfinite(value):
        return "not a number"
    if abs(value) >= 1000 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
