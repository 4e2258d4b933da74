"""What a page shows of a study besides what every run has: its table so far, and its trials' curves."""

from collections.abc import Sequence

from preimage.reports.downsample import Point
from preimage.runs.run_folder import RunFolder
from preimage.specs.study import StudySpec, loads_study
from preimage.tuning.annotations import read_picks
from preimage.tuning.ranking import Ranking, rank
from preimage.tuning.records import TrialRecord, read_records
from preimage.tuning.table import table

BEST = 8
"""Trials whose curves are drawn, the best ones."""


def read_study(run: RunFolder, name: str) -> tuple[StudySpec, list[TrialRecord]]:
    """A study's spec and the trials that have ended. name: of its spec. Raises SpecError, StorageError."""
    text = run.folder.read("spec.yaml").decode()
    return loads_study(text, (run.folder / "spec.yaml").uri, name), read_records(run.folder)


def table_so_far(run: RunFolder, spec: StudySpec, records: Sequence[TrialRecord]) -> str:
    """The table of the trials that have ended, as Markdown; without correlations, which take seconds."""
    ranking = rank(records, spec.objectives, spec.correlate)
    return table(ranking, list(spec.space), {}, read_picks(run.folder), show=spec.show)


def trial_curves(spec: StudySpec, records: Sequence[TrialRecord]) -> dict[str, list[Point]]:
    """What the scheduler saw of the best trials and of those that it stopped, by their names."""
    ranking = rank(records, spec.objectives, spec.correlate)
    seen = [each for each in (*ranking.complete, *ranking.others) if each.intermediate]
    return {_name(ranking, each): [(x, y) for x, y in each.intermediate] for each in seen[:BEST]}


def _name(ranking: Ranking, record: TrialRecord) -> str:
    if record.state == "complete":
        return f"trial {record.number}, rank {ranking.rank(record.number)}"
    return f"trial {record.number}, {record.state}"
