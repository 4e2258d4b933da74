"""A study as plain values: its ranked trials, how its metrics agree, and the user's picks."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from preimage.tuning.annotate import FoundStudy
from preimage.tuning.annotations import Pick
from preimage.tuning.ranking import Ranking, correlations
from preimage.tuning.records import TrialRecord


def plain_study(found: FoundStudy, ranking: Ranking, picks: Sequence[Pick]) -> dict[str, Any]:
    """What `study show` prints, for programs. Trials that ended without values have no rank."""
    figures = found.run.figures
    return {
        "study": found.run.name,
        "folder": found.run.folder.uri,
        "trials": found.spec.trials,
        "ended": len(found.records),
        "objectives": dict(ranking.objectives),
        "correlate": dict(ranking.correlate),
        "ranked": [_trial(each, ranking) for each in ranking.complete],
        "others": [_trial(each, ranking) for each in ranking.others],
        "correlations": [
            {"metrics": list(pair), **(asdict(each) if each else {})}
            for pair, each in correlations(ranking).items()
        ],
        "picks": [each.model_dump(mode="json") for each in picks],
        "figures": {
            name.removesuffix(".png"): (figures / name).uri
            for name in figures.names()
            if name.endswith(".png")
        },
    }


def _trial(record: TrialRecord, ranking: Ranking) -> dict[str, Any]:
    known = record.model_dump(exclude={"intermediate", "traceback", "cost", "number"})
    complete = record.state == "complete"
    rank = ranking.rank(record.number) if complete else None
    return {"trial": record.number, "rank": rank, "pareto_front": record.number in ranking.front, **known}
