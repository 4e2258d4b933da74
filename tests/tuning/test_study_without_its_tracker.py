"""A study whose tracker goes away while its trials run."""

import json
from collections import Counter

from preimage.errors import TrackingError
from preimage.tuning.records import read_records
from preimage.tuning.study import run_study
from studies import LEARNING_RATES, planned


def test_a_tracker_that_goes_away_fails_no_trial_and_is_told_at_the_end(tmp_path, monkeypatch, caplog):
    plan = planned(LEARNING_RATES, tmp_path, tracking="jsonl")

    def gone(*_: object) -> None:
        raise TrackingError("the server does not answer.")

    monkeypatch.setattr("preimage.tuning.trial.open_tracker", gone)
    run_study(plan)
    records = read_records(plan.run.folder)
    assert {each.state for each in records} == {"complete", "stopped"}
    assert "tiny-0005 will be recorded when the study ends" in caplog.text
    told = [(plan.root / "tracking").read(name).decode() for name in (plan.root / "tracking").names()]
    assert len(told) == 1 + len(records)
    ends = Counter(json.loads(text.splitlines()[-1])["end"] for text in told)
    stopped = sum(each.state == "stopped" for each in records)
    assert ends == {"FINISHED": 1 + len(records) - stopped, "KILLED": stopped}
    assert sum('"parent": null' in text for text in told) == 1
