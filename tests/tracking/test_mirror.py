import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_tracker import Fake
from preimage.errors import TrackingError
from preimage.models.cards import GeneratorCard
from preimage.runs.metrics import flatten
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.description import NOTE
from preimage.tracking.follower import Follower
from preimage.tracking.mirror import Mirror
from preimage.tracking.notes import FILE
from preimage.tracking.tracker import JsonLines, Record
from tiny import MODEL


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
    if count != 1:  # the curve ends elsewhere
        final[run_id, "loss", 10 * count, last, 1.0] = 1
    return rows | machine | final


def of(run_id, rows):
    """What the tracker has of one of its runs."""
    return {row: value for row, value in rows.items() if row[0] == run_id}


CARD = GeneratorCard(generator=MODEL, weights_sha256="0" * 64)
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where durable writes take no time."""
ACTIONS = st.lists(st.sampled_from(["step", "follow", "die", "fail", "tear", "delete"]), max_size=12)
FAILS = st.lists(st.sampled_from([None, None, "before", "after"]), max_size=40)


@settings(max_examples=150, deadline=None)
@given(ACTIONS, FAILS, st.booleans())
def test_whatever_fails_and_dies_in_the_end_everything_is_there_once(actions, fails, patient):
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
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
            elif action == "tear":
                run.folder.write(FILE, b"")
            elif action == "delete" and tracker.runs:
                tracker.delete("k")
        step(run, steps + 1)
        finish(run, products={"generator": run.product("generator").uri})
        run.product("generator").write_json("config.json", CARD.stamped())
        while not persist(mirror.finish):
            mirror = mirror if patient else Mirror(run, tracker)
        (run_id,) = tracker.runs.values()
        assert run.about()["mlflow_run_id"] == run_id
        assert of(run_id, tracker.metric_rows) == expected(run, run_id)
        assert sorted(each[2] for each in of(run_id, tracker.images)) == [10 * n for n in range(1, steps + 2)]
        assert tracker.status[run_id] == "FINISHED"
        assert tracker.param_values[run_id] == {"job": "train-gan", "training.total_images": 10}
        images = (run_id, "digits", "pixels", (run.folder.parent.parent / "datasets" / "digits").uri, "")
        assert {each for each in tracker.datasets if each[0] == run_id} == {images}
        assert tracker.generators[run_id] == run.product("generator").uri
        assert {(folder, name) for _, folder, name in of(run_id, tracker.files)} == {
            ("", "spec.yaml"),
            ("", "outcome.json"),
            ("", "provenance.json"),
            ("figures", "losses.png"),
        }
        made = json.loads(tracker.files[run_id, "", "provenance.json"])
        assert made["fingerprints"] == {"generator": CARD.fingerprint, "dataset": "pixels"}
        assert "preimage run train-gan-1" in tracker.tag_values[run_id][NOTE]
        assert "**" not in tracker.tag_values[run_id][NOTE]  # nothing of an earlier end


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


@pytest.mark.parametrize("dies", [True, False])
def test_a_deleted_run_is_begun_anew_with_everything_and_one_warning(folder, caplog, dies):
    run, tracker = make_run(folder), Fake()
    step(run, 1)
    mirror = Mirror(run, tracker)
    mirror.follow()
    tracker.delete("k")
    mirror = Mirror(run, tracker) if dies else mirror
    step(run, 2)
    finish(run)
    mirror.finish()
    assert caplog.messages == ["run 0 was deleted. A new one, run 1, gets everything that train-gan-1 holds."]
    assert of("run 1", tracker.metric_rows) == expected(run, "run 1")
    assert tracker.status["run 1"] == "FINISHED"
    assert run.about()["mlflow_page"] == "http://tracker/run-1"


def test_a_tracker_that_does_not_take_the_new_run_is_asked_again(folder):
    run, tracker = make_run(folder), Fake({6: "before"})  # 5 calls to begin; then resume, begin
    Mirror(run, tracker).begin()
    tracker.delete("k")
    mirror = Mirror(run, tracker)
    tracker.calls = 4
    assert not persist(mirror.begin)
    assert mirror.begin() == "run 1"


def test_parts_come_under_the_new_run_of_the_whole_and_are_begun_anew_if_deleted_too(folder):
    tracker = Fake()
    pipeline = make_run(folder, "pipeline-1", "p")
    steps = {key: make_run(folder, key, key) for key in ("one", "two", "three")}
    whole = Mirror(pipeline, tracker)
    for key in ("one", "two"):
        finish(steps[key])
        Mirror(steps[key], tracker, whole).finish()
    before = dict(tracker.runs)
    tracker.delete("p")
    tracker.delete("two")
    Mirror(steps["three"], tracker, whole).begin()  # asks for its parent, which is gone
    assert whole.replaced
    for key in ("one", "two"):
        part = Mirror(steps[key], tracker, whole)
        assert not part.is_recorded
        part.finish()
        assert part.is_recorded
    assert tracker.runs["one"] == before["one"]
    assert tracker.runs["two"] != before["two"]
    assert {tracker.parents[tracker.runs[key]] for key in steps} == {tracker.runs["p"]}


def test_a_run_that_another_process_began_anew_is_taken_up(folder):
    run, tracker = make_run(folder), Fake()
    here, there = Mirror(run, tracker), Mirror(run, tracker)
    here.begin()
    there = Mirror(run, tracker)
    there.begin()
    tracker.delete("k")
    assert here.begin() == there.begin() == "run 1"
    assert there.replaced


def test_a_record_that_was_torn_is_sent_when_it_is_made_anew(folder, caplog):
    run, tracker = make_run(folder), Fake()
    for number in (1, 2, 3):
        step(run, number)
    (run.folder / "log").write(f"{20:012d}.json", b"")
    Mirror(run, tracker).follow()
    step(run, 2)  # the run resumes from a checkpoint and repeats it
    (run.folder / "system").write_json(f"{1_000:015d}.json", [])
    finish(run)
    Mirror(run, tracker).finish()
    steps = {row[2] for row in tracker.metric_rows if row[1] == "loss"}
    assert steps == {10, 20, 30}
    assert [f"{20:012d}.json is not JSON" in each for each in caplog.messages] == [True]


def test_a_page_on_the_run_is_sent_with_the_rest_once_more_after_a_failure(folder):
    run = make_run(folder)
    finish(run)
    run.folder.write("report.html", b"a page")
    calls = Fake()
    Mirror(run, calls).finish()
    for fails in range(1, calls.calls + 1):
        tracker = Fake({fails: "after"})
        run.folder.remove(FILE)
        while not persist(Mirror(run, tracker).finish):
            pass
        (run_id,) = tracker.runs.values()
        assert tracker.files[run_id, "", "report.html"] == b"a page"
        assert tracker.status[run_id] == "FINISHED"
