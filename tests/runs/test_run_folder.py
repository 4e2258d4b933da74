"""A run's folder."""

from preimage.runs.run_folder import RunFolder


def test_a_record_stays_as_it_was_first_written(folder):
    """A resumed run repeats steps; what was sent to a tracker must not change afterwards."""
    run = RunFolder(folder)
    run.record(480, {"loss": 0.5})
    (before,) = run.records().values()
    run.record(480, {"loss": 0.25})
    assert list(run.records().values()) == [before]
    run.record(480, {"score": 2.0}, kind="score")
    run.record(960, {"loss": 0.125})
    assert run.curve("loss") == [(480, 0.5), (960, 0.125)]
    assert run.curve("score") == [(480, 2.0)]
