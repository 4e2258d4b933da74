import json
from dataclasses import replace

import pytest

from preimage.errors import SpecError, StorageError, TrackingError
from preimage.runs.run_folder import Outcome
from preimage.storage.folder import Folder
from preimage.tracking.tracker import NoTracker
from preimage.tuning import annotate as picking
from preimage.tuning.annotations import FILE, add_pick, read_picks
from preimage.tuning.records import TrialRecord
from shell import Shell
from study_reports import STUDY, stored, study, trials

VALUES = [(3.0, 0.3), (1.0, 0.1), (2.0, 0.2)]
NAME = "study-0123456789"


class Remembers(NoTracker):
    """A tracker that keeps what it is told, or does not answer."""

    def __init__(self):
        self.tagged, self.files, self.away = {}, {}, False

    def tags(self, run_id, tags):
        if self.away:
            raise TrackingError("nobody answers.")
        self.tagged.setdefault(run_id, {}).update(tags)

    def file(self, run_id, folder, name, data):
        self.files[run_id, folder, name] = data


@pytest.fixture
def place(folder, monkeypatch):
    """A folder with results: a study of four trials, of which the last failed."""
    optunas = {"history.png": b"a picture"}, []
    monkeypatch.setattr("preimage.tuning.plots.optuna_plots", lambda spec, records: optunas)
    monkeypatch.chdir(folder.local)
    records = []
    for each in trials(folder / "samples", study(), VALUES):
        own = folder / "results" / "runs" / f"pipeline-{each.number}"
        about = dict.fromkeys(("name", "fingerprint", "key", "created"), "x")
        about |= {"job": "pipeline", "mlflow_run_id": f"trial-{each.number}"}
        own.write_json("run.json", about)
        records.append(each.model_copy(update={"folder": own.uri, "run": own.path.rsplit("/", 1)[-1]}))
    lost = TrialRecord(number=3, params={}, state="failed", error="the disk is full")
    return stored(folder / "results", [*records, lost])


@pytest.fixture
def tracker(monkeypatch):
    told = Remembers()
    monkeypatch.setattr(picking, "open_tracker", lambda config, root: told)
    return told


@pytest.fixture
def shell(monkeypatch, capsys, place):
    return Shell(monkeypatch, capsys)


def test_a_pick_is_kept_with_who_when_and_why_and_replaced_by_the_next(place):
    records = picking.find_study(NAME, Folder.at("results")).records
    assert read_picks(place.folder) == []
    [first] = add_pick(place.folder, records, "best", 1, "crisp")
    assert (first.trial, first.note) == (1, "crisp")
    assert first.user
    assert first.time.endswith("+00:00")
    add_pick(place.folder, records, "worst", 0, None)
    both = add_pick(place.folder, records, "best", 2, None)
    assert [(each.name, each.trial) for each in both] == [("best", 2), ("worst", 0)]
    assert read_picks(place.folder) == both


def test_the_report_is_made_again_with_it(shell, place, tracker):
    said = shell("study", "pick", NAME, 2, "best", "--note", "round zeros")
    assert said.code == 0, said.err
    assert f"trial 2 is recorded as your best of {NAME}" in said.out
    text = place.figures.read("table.md").decode()
    assert "picked as best" in text
    assert "“round zeros”" in text
    assert f"{place.figures.uri}/best-worst.png" in said.out
    assert place.figures.exists("best-worst.png")


def test_a_finished_studys_outcome_has_the_pick_and_keeps_the_rest(place, tracker):
    outcome = Outcome(
        "study", "sizes", place.name, "f", {"hours": 3}, place.folder.uri, mlflow_run_id="study"
    )
    place.finish(outcome)
    picking.pick(picking.find_study(NAME, Folder.at("results")), "best", 1, None)
    after = place.outcome()
    assert after.metrics["picked"] == {"best": 1}
    assert after.metrics["hours"] == 3
    assert after.figures["gallery"].endswith("/gallery.png")
    assert replace(after, metrics={}, figures=None) == replace(outcome, metrics={}, figures=None)


def test_the_tracker_gets_the_tag_and_the_figures_and_loses_an_earlier_tag(shell, place, tracker):
    shell("study", "pick", NAME, 1, "best")
    shell("study", "pick", NAME, 0, "worst")
    assert tracker.tagged["trial-1"] == {"preimage.pick": "best"}
    assert tracker.tagged["study"] == {"preimage.pick.best": "trial 1", "preimage.pick.worst": "trial 0"}
    assert tracker.files["study", "figures", "table.md"] == place.figures.read("table.md")
    assert ("study", "figures", "best-worst.png") in tracker.files
    shell("study", "pick", NAME, 2, "best")
    assert tracker.tagged["trial-1"] == {"preimage.pick": ""}
    assert tracker.tagged["trial-2"] == {"preimage.pick": "best"}
    assert tracker.tagged["trial-0"] == {"preimage.pick": "worst"}


def test_a_tracker_that_is_away_costs_a_warning_not_the_pick(shell, place, tracker):
    tracker.away = True
    said = shell("study", "pick", NAME, 1, "best")
    assert said.code == 0
    assert read_picks(place.folder)[0].trial == 1
    tracker.away = False
    shell("study", "pick", NAME, 1, "best")
    assert tracker.tagged["trial-1"] == {"preimage.pick": "best"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pick", "study-nowhere", 1, "best"], "'study-nowhere' is not a study under"),
        (["pick", NAME, 7, "best"], "the study has no trial 7 that has ended: pick one of 0, 1, 2"),
        (
            ["pick", NAME, 3, "best"],
            "trial 3 failed, so it is not ranked and cannot be picked: pick one of 0, 1, 2",
        ),
        (["show", "pipeline-1"], "pipeline-1 is a run of pipeline, not a study"),
        (["pick", NAME, 1, "prettiest"], "'prettiest' is not one of 'best', 'worst'"),
    ],
)
def test_what_cannot_be_picked_is_said(shell, place, arguments, message):
    said = shell("study", *arguments)
    assert said.code == 2
    assert message in said.err
    assert read_picks(place.folder) == []


def test_one_trial_cannot_be_the_best_and_the_worst(place):
    found = picking.find_study(NAME, Folder.at("results"))
    add_pick(place.folder, found.records, "best", 1, None)
    with pytest.raises(SpecError, match="trial 1 is already picked as best, so it cannot be worst too"):
        add_pick(place.folder, found.records, "worst", 1, None)
    only_failed = [each for each in found.records if each.state == "failed"]
    with pytest.raises(SpecError, match="no trial is complete yet"):
        add_pick(place.folder, only_failed, "worst", 0, None)


def test_an_altered_file_of_picks_is_said_to_be_one(place):
    for text in ("[1]", '{"best": 1}', "7", "0"):
        place.folder.write(FILE, text.encode())
        with pytest.raises(StorageError, match="Remove it and pick again"):
            read_picks(place.folder)


def test_torn_files_of_picks_are_written_again(shell, place, tracker, caplog):
    shell("study", "pick", NAME, 1, "best")
    place.folder.write(FILE, b'[{"name": "be')
    place.folder.write(picking.TAGGED, b"")
    assert shell("study", "pick", NAME, 2, "best").code == 0
    assert (
        caplog.text.count("picks.json is not JSON: it was cut short or altered. It counts as no picks") == 1
    )
    assert caplog.text.count("picks-told.json is not JSON") == 1
    assert [each.trial for each in read_picks(place.folder)] == [2]
    assert tracker.tagged["trial-1"] == {"preimage.pick": ""}
    assert tracker.tagged["trial-2"] == {"preimage.pick": "best"}


def test_show_says_what_is_over_and_writes_nothing(shell, place, folder):
    before = sorted(path for path in folder.local.rglob("*"))
    said = shell("study", "show", NAME)
    assert said.code == 0, said.err
    assert "4 trials: 3 complete, 1 failed; ranked by agreement.pag, lowest first." in said.out
    assert "the disk is full" in said.out
    assert "not ended yet" not in said.out
    assert sorted(path for path in folder.local.rglob("*")) == before
    Folder.at(place.folder.uri).remove("trials/0002.json")
    assert "1 of 4 trials have not ended yet" in shell("study", "show", NAME).out


def test_show_gives_programs_one_document(shell, place):
    shell("study", "pick", NAME, 1, "best", "--note", "sharp")
    found = json.loads(shell("study", "show", NAME, "--json").out)
    assert (found["study"], found["folder"], found["ended"]) == (place.name, place.folder.uri, 4)
    assert [(each["trial"], each["rank"]) for each in found["ranked"]] == [(1, 1), (2, 2), (0, 3)]
    assert found["ranked"][0]["values"]["agreement.pag"] == 1.0
    assert found["ranked"][0]["pareto_front"]
    assert [(each["trial"], each["rank"], each["error"]) for each in found["others"]] == [
        (3, None, "the disk is full")
    ]
    assert [(each["trial"], each["note"]) for each in found["picks"]] == [(1, "sharp")]
    assert found["figures"]["gallery"] == f"{place.figures.uri}/gallery.png"
    assert {"metrics", "rho"} <= set(found["correlations"][0])


def test_a_study_is_found_by_its_folder_and_its_pictures_are_named(shell, place):
    shell("study", "pick", NAME, 1, "best")
    said = shell("study", "show", place.folder.uri)
    assert f"{place.figures.uri}/gallery.png" in said.out
    assert "picked as best" in said.out
    assert json.loads((place.folder.local / FILE).read_text())[0]["trial"] == 1
    assert STUDY.encode() == place.folder.read("spec.yaml")
