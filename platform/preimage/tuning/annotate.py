"""Record the user's visual choice of the best and worst trial, in the study's report and the tracker."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from preimage.errors import SpecError
from preimage.jobs.base import Result
from preimage.pipelines.inputs import find_run
from preimage.pipelines.lifecycle import write_result
from preimage.runs.metrics import plain_names
from preimage.runs.run_folder import REPORT, RunFolder
from preimage.specs.study import StudySpec, loads_study
from preimage.storage.folder import Folder
from preimage.storage.validated_json import read_unless_torn
from preimage.tracking.description import NOTE, description
from preimage.tracking.open import open_tracker
from preimage.tracking.tracker import RunDeleted, Tracker
from preimage.tuning.annotations import PickName, add_pick, read_picks
from preimage.tuning.records import TrialRecord, read_records

log = logging.getLogger(__name__)

TAG = "preimage.pick"
TAGGED = "picks-told.json"
"""The tags that trials got last, by number."""


@dataclass(frozen=True)
class FoundStudy:
    """A study's run folder and its contents."""

    spec: StudySpec
    run: RunFolder
    records: list[TrialRecord]

    @property
    def root(self) -> Folder:
        """The folder of all results."""
        return self.run.folder.parent.parent


def find_study(name: str, root: Folder) -> FoundStudy:
    """A study by its name under the results, its folder or its MLflow run id.

    Raises SpecError if there is none, StorageError if its records are altered.
    """
    run = find_run(name, root / "runs")
    if not run:
        raise SpecError(
            f"{name!r} is not a study under {root.uri} (if it is elsewhere, give its folder, or --results). "
            "`preimage run STUDY.yaml` prints its name, study-..."
        )
    about = run.about()
    if about["job"] != "study":
        raise SpecError(
            f"{run.name} is a run of {about['job']}, not a study: a study's name begins with study-"
        )
    text = run.folder.read("spec.yaml").decode()
    spec = loads_study(text, (run.folder / "spec.yaml").uri, about["name"])
    return FoundStudy(spec, run, read_records(run.folder))


def pick(study: FoundStudy, name: PickName, trial: int, note: str | None) -> Result:
    """Record a pick, and update the study's report. Raises SpecError if the trial cannot be picked."""
    from preimage.tuning.report import report

    picks = add_pick(study.run.folder, study.records, name, trial, note)
    result = report(study.spec, study.records, picks)
    figures = write_result(study.run, result)
    if outcome := study.run.outcome():
        study.run.finish(
            replace(outcome, metrics=outcome.metrics | plain_names(result.metrics), figures=figures)
        )
    return result


def tell(study: FoundStudy, result: Result) -> None:
    """Tag the trials' runs in the tracker with preimage.pick, and send the study's table, figures, report.

    Raises TrackingError if the tracker does not answer; it may be called again.
    """
    folder, tracker = study.run.folder, open_tracker(study.spec.tracking, study.root)
    picks = read_picks(folder)
    _tag_trials(tracker, study, {str(each.trial): each.name for each in picks})
    if run_id := _tracked(folder):
        for name in ("table.md", *result.figures):
            tracker.file(run_id, "figures", name, study.run.figures.read(name))
        if page := folder.find(REPORT):
            tracker.file(run_id, "", REPORT, page)
        tracker.tags(run_id, {f"{TAG}.{each.name}": f"trial {each.trial}" for each in picks})
        if outcome := study.run.outcome():
            text = description(study.run, study.run.about(), run_id, status="FINISHED", outcome=outcome)
            tracker.tags(run_id, {NOTE: text})


def _tag_trials(tracker: Tracker, study: FoundStudy, picked: Mapping[str, str]) -> None:
    """Tag the picked trials, and empty the tags of those no longer picked: tags cannot be removed."""
    folder = study.run.folder
    tagged = _tagged(folder, study.records)
    for record in study.records:
        number = str(record.number)
        run_id = _tracked(Folder.at(record.folder)) if record.folder else None
        if run_id and (number in picked or number in tagged):
            try:
                tracker.tags(run_id, {TAG: picked.get(number, "")})
            except RunDeleted as error:
                log.warning("trial %s has no tag in the tracker: %s", number, error)
    folder.write_json(TAGGED, picked)


def _tagged(folder: Folder, records: Sequence[TrialRecord]) -> set[str]:
    """The numbers of the trials that have a tag; of all trials if the file that says so is damaged."""
    if not folder.exists(TAGGED):
        return set()
    found = read_unless_torn(folder, TAGGED, "Every trial's tag is written again.")
    return set(found) if isinstance(found, dict) else {str(each.number) for each in records}


def _tracked(folder: Folder) -> str | None:
    """The tracker's id of a run; None if it was never recorded."""
    return (RunFolder(folder).about_or_none() or {}).get("mlflow_run_id")
