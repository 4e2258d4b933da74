"""Our values for a claim, and the verdict that its rules draw from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations, pairwise
from math import sqrt
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from scipy.stats import t

from .claims import WITHOUT_CODE, Claim, Judged, Names, Ours, Rule, Unanswered
from .records import Record, numbers

FEWEST = 3
"""Values from which an interval is given."""


@dataclass(frozen=True)
class Value:
    """A value, of one run or of several seeds. No rule holds for one that is not a number."""

    each: tuple[float, ...]
    seeds: tuple[str, ...] = ()
    """Which record, and which of its numbers, each is from."""

    @property
    def mean(self) -> float:
        return fmean(self.each)

    @property
    def half(self) -> float:
        """Half the width of the mean's 95% interval by Student's t; 0 below FEWEST values."""
        n = len(self.each)
        return float(t.ppf(0.975, n - 1)) * stdev(self.each) / sqrt(n) if n >= FEWEST else 0.0

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval; below FEWEST values the lowest and the highest of them."""
        if len(self.each) < FEWEST:
            return min(self.each), max(self.each)
        return self.mean - self.half, self.mean + self.half

    def below(self, other: "Value") -> bool:
        """Whether it is lower: by the interval of the differences, if both are of the same three seeds or
        more; else from end to end."""
        if len(self.each) >= FEWEST and self.seeds and self.seeds == other.seeds:
            differences = tuple(b - a for a, b in zip(self.each, other.each, strict=True))
            return Value(differences).ends[0] > 0
        return self.ends[1] < other.ends[0]


@dataclass(frozen=True)
class Verdict:
    """A claim's verdict, and why it is no better."""

    is_: Judged | Unanswered | Literal["not judged"]
    because: str = ""


def recorded(claim: Claim, records: Mapping[str, Record]) -> dict[str, Record]:
    """The records that a claim names, by name."""
    patterns = {*claim.runs, *(run for each in claim.ours.values() for run in each.runs)}
    return {name: each for name, each in records.items() if any(_matches(one, name) for one in patterns)}


def values(claim: Claim, records: Mapping[str, Record]) -> dict[str, Value]:
    """Our values that are recorded, by name."""
    found = {name: _gather(each, each.runs or claim.runs, records) for name, each in claim.ours.items()}
    return {name: Value(tuple(each.values()), tuple(each)) for name, each in found.items() if each}


def _gather(ours: Ours, runs: Names, records: Mapping[str, Record]) -> dict[str, float]:
    """Our numbers, by the record and their place in it."""
    found: dict[str, float] = {}
    for name, record in records.items():
        if any(_matches(run, name) for run in runs):
            these = [each for key, each in numbers(record).items() if _matches(ours.metric, key)]
            if these and ours.of != "all":
                these = [min(these) if ours.of == "lowest" else max(these)]
            found |= {f"{name} {place}": each for place, each in enumerate(these)}
    return found


def _matches(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)


def judge(claim: Claim, records: Mapping[str, Record]) -> Verdict:
    """The verdict: of the rules where there are any, else as typed; `without` while nothing is recorded."""
    names_records = bool(claim.runs or claim.ours)
    if names_records and not recorded(claim, records):
        return Verdict(claim.without, claim.because if claim.without in WITHOUT_CODE else "")
    if not (claim.reproduced or claim.direction):
        if claim.verdict:
            return Verdict(claim.verdict, claim.because)
        return Verdict("not judged") if names_records else Verdict(claim.without, claim.because)
    return _ruled(claim, values(claim, records))


def _ruled(claim: Claim, found: dict[str, Value]) -> Verdict:
    strict = [_failures(rule, claim.printed, found) for rule in claim.reproduced]
    loose = [_failures(rule, claim.printed, found) for rule in claim.direction]
    missing = [name for name in claim.ours if name not in found]
    partly = f"not recorded: {', '.join(missing)}" if missing else ""
    why = {each.text: each for failures in (*strict, *loose) for each in failures or ()}
    reasons = "; ".join(filter(None, [*why, claim.because, partly]))
    if strict and all(each == [] for each in strict):
        return Verdict("reproduced", partly)
    if loose and all(each == [] for each in loose):
        return Verdict("direction only", reasons)
    if failed := [each for failures in loose or strict for each in failures or ()]:
        return Verdict("not reproduced" if any(each.is_decided for each in failed) else "undecided", reasons)
    return Verdict(claim.without, partly)


class Failure(NamedTuple):
    """Why a rule does not hold."""

    text: str
    is_decided: bool = True
    """Whether the values contradict it; else they are only too close to each other."""


def _failures(rule: Rule, paper: Mapping[str, float], found: Mapping[str, Value]) -> list[Failure] | None:
    """Why a rule does not hold; empty if it does, None if nothing is recorded that it is about."""
    of = [name for name in rule.of or found if name in found]
    if rule.within is not None:
        return _far(rule.within, {name: found[name] for name in of if name in paper}, paper)
    if rule.order is not None:
        return _disordered(_pairs(rule, paper, of), found)
    if not of:
        return None
    least, most = rule.at_least, rule.at_most
    means = {name: found[name].mean for name in of}
    if least is not None:
        low = {name: mean for name, mean in means.items() if not mean >= least}
        return [Failure(f"{name} is {mean:.3g}, below {least:g}") for name, mean in low.items()]
    assert most is not None  # a rule has one of the four
    high = {name: mean for name, mean in means.items() if not mean <= most}
    return [Failure(f"{name} is {mean:.3g}, above {most:g}") for name, mean in high.items()]


def _far(within: float, found: Mapping[str, Value], paper: Mapping[str, float]) -> list[Failure] | None:
    if not found:
        return None
    ratios = {name: each.mean / paper[name] for name, each in found.items()}
    far = {name: ratio for name, ratio in ratios.items() if not abs(ratio - 1) <= within}
    if len(far) > FEWEST:
        return [Failure(f"{len(far)} of {len(found)} values are more than {within:.0%} off the paper's")]
    return [Failure(f"{name} is {ratio:.3g} times the paper's") for name, ratio in far.items()]


def _pairs(rule: Rule, paper: Mapping[str, float], of: list[str]) -> list[tuple[str, str]]:
    """The pairs of which the first has to be lower."""
    if isinstance(rule.order, tuple):
        return list(pairwise(name for name in rule.order))
    known = sorted((name for name in of if name in paper), key=lambda name: paper[name])
    return [(a, b) for a, b in combinations(known, 2) if paper[a] < paper[b]]


def _disordered(pairs: list[tuple[str, str]], found: Mapping[str, Value]) -> list[Failure] | None:
    known = [(a, b) for a, b in pairs if a in found and b in found]
    if not known:
        return None
    return [_not_below(a, b, found) for a, b in known if not found[a].below(found[b])]


def _not_below(a: str, b: str, found: Mapping[str, Value]) -> Failure:
    if found[a].mean < found[b].mean:
        return Failure(f"{a} is below {b}, but by less than the interval", is_decided=False)
    return Failure(f"{a} is not below {b}")
