"""A study's Optuna journal as others see it while the study runs."""

import shlex
import time
from itertools import pairwise

import optuna
import pytest

from faulty import wait_for
from preimage.errors import StorageError
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tuning import journal_file
from preimage.tuning.describe import summarize
from preimage.tuning.journal_file import FILE
from preimage.tuning.optuna_journal import Journal
from preimage.tuning.records import TrialRecord
from studies import GRID, planned, study_of

PARAMS = {"model.kernel_size": 4, "optimizer.name": "sgd", "optimizer.momentum": 0.9}
ENDED = [
    TrialRecord(
        number=0,
        params=PARAMS,
        state="complete",
        values={"generator_loss": 1.5, "discriminator_loss": 0.5},
        intermediate=((48, 2.0), (96, 1.5)),
        run="train-gan-0",
    ),
    TrialRecord(number=1, params=PARAMS, state="stopped", intermediate=((48, 9.0),), error="too high"),
    TrialRecord(number=2, params=PARAMS, state="failed", error="no such luck"),
]


@pytest.fixture
def spec(tmp_path):
    return study_of(GRID, tmp_path / "results")


def watched(path):
    """The study as Optuna's dashboard opens it, in Optuna's own words."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    [name] = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def states(path):
    return [each.state.name for each in watched(path).trials]


def plain(trial):
    """A trial without its times."""
    return (trial.state, trial.values, trial.params, trial.intermediate_values, trial.user_attrs)


def test_trials_wait_run_and_end_under_their_own_numbers(spec, folder):
    path = folder.local / FILE
    with Journal(spec, RunFolder(folder), []) as journal:
        study = watched(path)
        assert states(path) == ["WAITING"] * 6
        journal.start(3, PARAMS)
        journal.start(1, PARAMS)
        assert states(path) == ["WAITING", "RUNNING", "WAITING", "RUNNING", "WAITING", "WAITING"]
        assert study.trials[1].params == PARAMS, "who watches reads on"
        study.set_user_attr("note", "written by who watches")
        journal.end(ENDED[1])
        journal.start(0, PARAMS)
        journal.end(ENDED[0])
        journal.start(2, PARAMS)
        journal.end(ENDED[2])
    assert states(path) == ["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING", "WAITING"]
    assert [plain(each) for each in study.trials] == [plain(each) for each in watched(path).trials]
    assert study.user_attrs["note"]
    ended = study.trials[:3]
    with Journal(spec, RunFolder(folder), ENDED):
        pass
    assert states(path) == ["COMPLETE", "PRUNED", "FAIL", "WAITING", "WAITING", "WAITING"]
    assert [plain(each) for each in watched(path).trials[:3]] == [plain(each) for each in ended]


def test_what_a_killed_study_leaves_is_replaced_and_no_lock_is_in_the_way(spec, folder):
    journal = Journal(spec, RunFolder(folder), [])
    journal.__enter__().start(0, PARAMS)  # never left: the process is killed
    assert [path.name for path in folder.local.iterdir()] == [FILE]
    with (folder.local / FILE).open("ab") as torn:
        torn.write(b'{"op_code":')
    with Journal(spec, RunFolder(folder), []):
        assert states(folder.local / FILE) == ["WAITING"] * 6
    journal.__exit__()


def test_a_full_disk_costs_one_warning_and_no_trial(spec, folder, monkeypatch, caplog):
    append = journal_file._append

    def full(stream, data):
        append(stream, data[:5])
        raise OSError(28, "No space left on device")

    def refused(*_, **__):
        raise StorageError("no space left")

    with Journal(spec, RunFolder(folder), []) as journal:
        journal.start(0, PARAMS)
        with monkeypatch.context() as patch:
            patch.setattr(journal_file, "_append", full)
            patch.setattr(Folder, "write", refused)
            journal.end(ENDED[0])
        journal.start(1, PARAMS)
        assert states(folder.local / FILE)[:3] == ["COMPLETE", "RUNNING", "WAITING"], "there is room again"
    assert len(caplog.records) == 1
    assert f"cannot keep {folder / FILE} up to date: [Errno 28]" in caplog.text


def test_elsewhere_it_is_uploaded_while_trials_run_but_not_with_each_change(
    spec, s3, tmp_path, monkeypatch, caplog
):
    uploads, write, away = [], Folder.write, []

    def counted(self, name, data, durable=True):
        uploads.append(time.monotonic())
        if away:
            raise StorageError("the network is away")
        write(self, name, data, durable)

    def seen():
        (tmp_path / FILE).write_bytes(s3.read(FILE))
        return states(tmp_path / FILE)

    monkeypatch.setattr(Folder, "write", counted)
    monkeypatch.setattr(journal_file, "EVERY", 0.2)
    with Journal(spec, RunFolder(s3), []) as journal:
        assert seen() == ["WAITING"] * 6
        for number in range(3):
            journal.start(number, PARAMS)
        wait_for(lambda: seen()[2] == "RUNNING", seconds=10)
        away.append(True)
        journal.end(ENDED[0])
        wait_for(lambda: "up to date: the network is away" in caplog.text, seconds=10)
        wait_for(lambda: len(uploads) >= 4, seconds=10)
        away.clear()
        journal.end(ENDED[1])
    assert seen()[:3] == ["COMPLETE", "PRUNED", "RUNNING"], "at the latest when the study ends"
    assert min(after - before for before, after in pairwise(uploads[:-1])) >= 0.2
    assert caplog.text.count("up to date: the network is away") == 1
    assert s3.files() == [FILE]


def test_how_to_watch_is_said_also_where_the_results_are_elsewhere(s3, tmp_path):
    for results in (str(tmp_path / "of us"), s3.uri):
        plan = planned(GRID, results)
        outcome = Outcome("study", "tiny", plan.run.name, plan.fingerprint, {}, plan.run.folder.uri)
        commands = [shlex.split(command) for command, _ in summarize(plan, outcome).commands]
        assert ["preimage", "ui", "--optuna", plan.run.name, "--results", results] in commands
