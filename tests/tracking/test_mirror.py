import json
import tempfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.errors import TrackingError
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.follower import Follower
from preimage.tracking.mirror import Mirror, flatten
from preimage.tracking.tracker import JsonLines, Record


class Fake:
    """A tracker in memory, whose calls fail at chosen numbers: before they take effect, or after."""

    home = "fake"

    def __init__(self, fails=None):
        self.fails = fails or {}
        self.calls = 0
        self.runs, self.parents, self.metric_rows, self.images = {}, {}, Counter(), Counter()
        self.files, self.tag_values, self.status, self.datasets, self.param_values = {}, {}, {}, set(), {}

    def _call(self, effect):
        self.calls += 1
        how = self.fails.get(self.calls)
        if how == "before":
            raise TrackingError("away")
        result = effect()
        if how == "after":
            raise TrackingError("the answer was lost")
        return result

    def page(self, run_id):
        return f"http://tracker/{run_id.replace(' ', '-')}"

    def begin(self, key, name, tags, parent):
        def effect():
            run_id = self.runs.setdefault(key, f"run {len(self.runs)}")
            self.status[run_id] = "RUNNING"
            self.parents[run_id] = parent
            self.tag_values.setdefault(run_id, {}).update(tags)
            return run_id

        return self._call(effect)

    def resume(self, run_id, parent):
        def effect():
            self.status[run_id] = "RUNNING"
            self.parents[run_id] = parent or self.parents[run_id]

        self._call(effect)

    def params(self, run_id, params):
        self._call(lambda: self.param_values.update({run_id: dict(params)}))

    def tags(self, run_id, tags):
        self._call(lambda: self.tag_values[run_id].update(tags))

    def dataset(self, run_id, name, fingerprint, address):
        self._call(lambda: self.datasets.add((run_id, name, fingerprint, address)))

    def metrics(self, run_id, records):
        def effect():
            for each in records:
                for name, value in each.metrics.items():
                    self.metric_rows[run_id, name, each.step, each.time_ms, value] = 1

        self._call(effect)

    def image(self, run_id, key, record, png):
        self._call(lambda: self.images.update({(run_id, key, record.step, record.time_ms, png): 1}))

    def file(self, run_id, folder, name, data):
        self._call(lambda: self.files.update({(run_id, folder, name): data}))

    def end(self, run_id, status):
        self._call(lambda: self.status.update({run_id: status}))


def make_run(folder, name="train-gan-1", key="k"):
    run = RunFolder(folder / "runs" / name)
    about = {"job": "train-gan", "name": "a", "fingerprint": "f", "key": key, "git_commit": "c"}
    about |= {"created": "now"}
    dataset = {"source": "digits", "address": (folder / "datasets" / "digits").uri}
    run.folder.write("spec.yaml", b"job: train-gan\ntraining: {total_images: 10}\n")
    run.folder.write_json("run.json", about | {"versions": {"torch": "2"}, "dataset": dataset})
    (folder / "datasets" / "digits").write_json("manifest.json", {"fingerprint": "pixels"})
    return run


def finish(run, **more):
    run.figures.write("losses.png", b"figure")
    metrics = {"loss": 1.0, "final": 2.0, "recovered": {"half": 3.0}}
    run.finish(Outcome("train-gan", "a", run.name, "f", metrics, run.folder.uri, **more))


def step(run, number):
    """What a training leaves at its n-th record."""
    run.record(number * 10, {"loss": 1 / number})
    run.add_samples(number * 10, f"grid {number}".encode())
    rows = [{"time_ms": 1_000 * each, "metrics": {"system/cpu": each}} for each in range(1, number + 1)]
    (run.folder / "system").write_json(f"{1_000:015d}.json", rows)


def persist(call):
    """Once more, as a user would: the next try, or the next day."""
    try:
        call()
    except TrackingError:
        return False
    return True


def expected(run, run_id):
    rows = {
        (run_id, name, each["images"], each["time_ms"], value): 1
        for each in run.records().values()
        for name, value in each["metrics"].items()
    }
    last = run.folder.modified_ms("outcome.json")
    count = len(run.records())
    machine = {(run_id, "system/cpu", n - 1, 1_000 * n, n): 1 for n in range(1, count + 1)}
    final = {(run_id, "final", 0, last, 2.0): 1, (run_id, "recovered.half", 0, last, 3.0): 1}
    return rows | machine | final


ACTIONS = st.lists(st.sampled_from(["step", "follow", "die", "fail", "tracker"]), max_size=12)
FAILS = st.lists(st.sampled_from([None, None, "before", "after"]), max_size=40)


@settings(max_examples=150, deadline=None)
@given(ACTIONS, FAILS, st.booleans())
def test_whatever_fails_and_dies_in_the_end_everything_is_there_once(actions, fails, patient):
    with tempfile.TemporaryDirectory() as place:
        run, tracker, steps = make_run(Folder.at(place)), Fake(dict(enumerate(fails, 1))), 0
        mirror = Mirror(run, tracker)
        for action in actions:
            if action == "step":
                steps += 1
                step(run, steps)
            elif action == "follow":
                persist(mirror.follow)
            elif action == "die":
                mirror = Mirror(run, tracker)
            elif action == "fail":
                persist(lambda mirror=mirror: mirror.end("FAILED"))
        step(run, steps + 1)
        finish(run)
        while not persist(mirror.finish):
            mirror = mirror if patient else Mirror(run, tracker)
        (run_id,) = tracker.runs.values()
        assert dict(tracker.metric_rows) == expected(run, run_id)
        assert sorted(each[2] for each in tracker.images) == [10 * n for n in range(1, steps + 2)]
        assert tracker.status == {run_id: "FINISHED"}
        assert tracker.param_values[run_id] == {"job": "train-gan", "training.total_images": 10}
        assert tracker.datasets == {
            (run_id, "digits", "pixels", f"{run.folder.uri.rsplit('/', 2)[0]}/datasets/digits")
        }
        assert {(folder, name) for _, folder, name in tracker.files} == {
            ("", "spec.yaml"),
            ("", "outcome.json"),
            ("figures", "losses.png"),
        }
        assert tracker.tag_values[run_id]["preimage.dataset_fingerprint"] == "pixels"


def test_a_step_begins_its_pipeline_first_even_where_that_failed_before(folder):
    tracker = Fake({1: "before"})
    whole = Mirror(make_run(folder, "pipeline-1", "p"), tracker)
    part = Mirror(make_run(folder, "train-gan-1", "t"), tracker, whole)
    assert not persist(whole.begin)
    part.follow()
    assert tracker.parents == {tracker.runs["p"]: None, tracker.runs["t"]: tracker.runs["p"]}


def test_the_id_is_found_in_the_folder(folder):
    run, tracker = make_run(folder), Fake()
    assert Mirror(run, tracker).begin() == run.folder.read_json("run.json")["mlflow_run_id"] == "run 0"


def test_a_finished_run_that_is_recorded_is_left_alone(folder):
    run, tracker = make_run(folder), Fake()
    step(run, 1)
    finish(run)
    Mirror(run, tracker).finish()
    calls = tracker.calls
    Mirror(run, tracker).finish()
    assert tracker.calls == calls


def test_another_tracker_is_told_everything_anew(folder):
    run, tracker, other = make_run(folder), Fake(), Fake()
    step(run, 1)
    finish(run)
    Mirror(run, tracker).finish()
    other.home = "elsewhere"
    Mirror(run, other).finish()
    assert other.metric_rows == tracker.metric_rows
    assert other.status == tracker.status


def test_the_follower_says_once_that_the_tracker_is_away_and_once_that_it_is_back(folder, caplog):
    run = make_run(folder)
    tracker = Fake(dict.fromkeys(range(1, 6), "before"))
    step(run, 1)
    with Follower(Mirror(run, tracker), every=0.01) as follower:
        for _ in range(500):
            if len(caplog.records) >= 2:
                break
            follower._stop.wait(0.01)
    assert [each.message for each in caplog.records] == [
        "away The run continues; what is missing will be sent later.",
        "the tracker is back; what it missed has been sent",
    ]


def test_settings_as_dotted_keys():
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


def test_json_lines_say_nothing_twice(folder):
    lines, run_id = JsonLines(folder), "key"
    for _ in range(2):
        assert lines.begin(run_id, "name", {"tag": "1"}, None) == run_id
        lines.params(run_id, {"lr": 0.1})
        lines.metrics(run_id, [Record(1, 5, {"loss": 2.0}), Record(2, 6, {"loss": 1.0})])
        lines.end(run_id, "FAILED")
    lines.end(run_id, "FINISHED")
    found = [json.loads(line) for line in folder.read("key.jsonl").splitlines()]
    assert found == [
        {"begin": "name", "tags": {"tag": "1"}, "parent": None},
        {"params": {"lr": 0.1}},
        {"step": 1, "time_ms": 5, "loss": 2.0},
        {"step": 2, "time_ms": 6, "loss": 1.0},
        {"end": "FAILED"},
        {"end": "FINISHED"},
    ]


@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_run_that_ended_badly_is_taken_up_again(folder, status, dies):
    run, tracker = make_run(folder), Fake()
    mirror = Mirror(run, tracker)
    mirror.end(status)
    assert tracker.status == {"run 0": status}
    mirror = Mirror(run, tracker) if dies else mirror
    mirror.begin()
    assert tracker.status == {"run 0": "RUNNING"}


def test_what_was_sent_is_not_sent_again(folder):
    run, tracker = make_run(folder), Fake()
    step(run, 1)
    mirror = Mirror(run, tracker)
    mirror.follow()
    calls = tracker.calls
    mirror.follow()
    assert tracker.calls == calls
    Mirror(run, tracker).follow()
    assert tracker.calls == calls + 1  # takes the run up again


def test_a_finished_pipeline_that_gets_a_step_anew_is_ended_again(folder):
    run, tracker = make_run(folder), Fake()
    finish(run)
    Mirror(run, tracker).finish()
    again = Mirror(run, tracker)
    again.begin()
    assert tracker.status == {"run 0": "RUNNING"}
    again.finish()
    assert tracker.status == {"run 0": "FINISHED"}
