"""How long a run's job worked, over all attempts."""

import pytest

from preimage.errors import ClaimTaken, DataError, StoppedEarly
from preimage.runs import attempts
from preimage.runs.run_folder import RunFolder

CORES = {"cpu": "A", "instructions": "avx2", "cores": 2}


@pytest.fixture
def run(folder):
    return RunFolder(folder / "run")


def clock(*times):
    return iter(times).__next__


def work(run, begin, end, hardware=CORES):
    with attempts.attempt(run, hardware, clock(begin, end)):
        pass


def test_attempts_add_up(run):
    work(run, 10.0, 25.0)
    with pytest.raises(KeyboardInterrupt), attempts.attempt(run, CORES, clock(100.0, 102.5)):
        raise KeyboardInterrupt
    work(run, 200.0, 201.0)
    found = attempts.read(run)
    assert [each["ended"] for each in found] == ["finished", "stopped", "finished"]
    assert attempts.seconds(found) == 18.5
    assert attempts.hardware(found) == CORES


def test_a_trial_that_its_study_stops_has_not_failed(run):
    with pytest.raises(StoppedEarly), attempts.attempt(run, CORES, clock(1.0, 3.0)):
        raise StoppedEarly("worse than the median")
    found = attempts.read(run)[0]
    assert (found["ended"], found["error"]) == ("stopped", "worse than the median")


def test_a_killed_attempt_worked_until_its_last_sign_of_life(run):
    run.folder.write_json(attempts.FILE, [{"began": 1000.0, "hardware": CORES}])
    state = {"done": 1, "total": 2, "rate": 1.0, "pid": 1, "time": 1042.0}
    run.folder.write_json("progress.json", state)
    work(run, 5000.0, 5001.0)
    assert attempts.seconds(attempts.read(run)) == 43.0


def test_a_killed_attempt_that_left_no_sign_counts_nothing(run):
    run.folder.write_json(attempts.FILE, [{"began": 1000.0}])
    work(run, 5000.0, 5001.0)
    assert attempts.seconds(attempts.read(run)) == 1.0


def test_attempts_on_other_hardware_or_on_none_that_is_known_have_no_common_one(run):
    work(run, 1.0, 2.0)
    work(run, 3.0, 4.0, {"cpu": "B", "instructions": "avx2", "cores": 2})
    assert attempts.hardware(attempts.read(run)) is None


def test_a_run_that_an_earlier_version_began_has_no_time(run):
    attempts.note_unknown(run)
    work(run, 1.0, 2.0)
    found = attempts.read(run)
    assert (attempts.seconds(found), attempts.hardware(found)) == (None, None)


def test_an_error_is_kept_in_one_short_line(run):
    with pytest.raises(DataError), attempts.attempt(run, None, clock(1.0, 2.0)):
        raise DataError("x" * 999 + "\nsecond")
    assert attempts.read(run)[0]["error"] == "x" * attempts.LONGEST


def test_the_words_of_a_strangers_error_which_may_quote_a_secret_are_not_kept(run):
    with pytest.raises(ValueError, match="token"), attempts.attempt(run, None, clock(1.0, 2.0)):
        raise ValueError("token hf_1234 is refused")
    assert attempts.read(run)[0]["error"] == "ValueError"


def test_a_trial_that_gives_its_core_back_has_not_failed(run):
    with pytest.raises(ClaimTaken), attempts.attempt(run, None, clock(1.0, 2.0)):
        raise ClaimTaken("train-gan-1 is being made by another")
    assert attempts.read(run)[0]["ended"] == "stopped"
