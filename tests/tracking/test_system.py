import pytest

from fake_tracker import Fake
from preimage.errors import StorageError
from preimage.runs.run_folder import RunFolder
from preimage.tracking.mirror import Mirror
from preimage.tracking.system import samples
from preimage.work import system_watch
from preimage.work.system_watch import SystemWatch, file_name


def write(run, node, *seconds):
    """A file of a node's samples, one at each second."""
    rows = [{"time_ms": each * 1000, "metrics": {"system/cpu": float(each)}} for each in seconds]
    run.system.write_json(file_name(seconds[0] * 1000, node), rows)


def times(found):
    return {node: [row["time_ms"] // 1000 for row in rows] for node, rows in found.items()}


def test_samples_come_back_in_order_and_after_any_time(folder, monkeypatch):
    run = RunFolder(folder)
    now = iter(range(100, 200))
    monkeypatch.setattr(system_watch, "ROWS", 3)
    monkeypatch.setattr("time.time", lambda: next(now))
    watch = SystemWatch(run.system)
    for _ in range(8):
        watch.sample()
    seconds = list(range(100, 108))
    assert len(run.system.names()) == 3
    for after in (0, 99_999, *(1000 * each for each in seconds), 200_000):
        first, found = samples(run, {"": after})
        assert first == 100_000
        assert times(found).get("", []) == [each for each in seconds if 1000 * each > after]


def test_each_of_several_nodes_goes_on_from_its_own_time_under_its_name(folder):
    run = RunFolder(folder)
    write(run, "", 1)
    write(run, "a", 3, 5)
    write(run, "b.local", 2, 4)
    write(run, "a", 7)
    first, found = samples(run, {"a": 3000, "b.local": 4000})
    assert first == 1000
    assert times(found) == {"": [1], "a": [5, 7]}
    assert [list(row["metrics"]) for rows in found.values() for row in rows] == [
        ["system/cpu"],
        ["system/a/cpu"],
        ["system/a/cpu"],
    ]


def test_a_torn_file_of_samples_is_skipped_and_another_version_s_refused(folder):
    run = RunFolder(folder)
    for second in (1, 2, 3):
        write(run, "", second)
        write(run, "a", second)
    run.system.write(file_name(2000), b"[")
    run.system.write(file_name(1000, "a"), b"")
    run.system.write("notes.txt", b"of a user")
    first, found = samples(run, {})
    assert (first, times(found)) == (1000, {"": [1, 3], "a": [2, 3]})
    run.system.write_json(file_name(2000), [{"time": 2000}])
    with pytest.raises(StorageError, match="another version: 0.time_ms"):
        samples(run, {})


def test_the_tracker_gets_each_sample_of_each_node_once_also_when_the_run_resumes(folder):
    run, tracker = RunFolder(folder / "runs" / "r"), Fake()
    about = {"job": "train-gan", "name": "a", "fingerprint": "f", "key": "k", "created": "now"}
    run.folder.write("spec.yaml", b"job: train-gan\n")
    run.folder.write_json("run.json", about)
    write(run, "", 100)
    write(run, "b", 101, 111)
    Mirror(run, tracker).follow()
    write(run, "a", 110)
    write(run, "b", 101, 111, 121)
    resumed = Mirror(run, tracker)
    resumed.follow()
    resumed.follow()
    (run_id,) = {row[0] for row in tracker.metric_rows}
    assert tracker.metric_rows == {
        (run_id, name, second - 100, second * 1000, float(second)): 1
        for name, second in (
            ("system/cpu", 100),
            ("system/a/cpu", 110),
            *(("system/b/cpu", second) for second in (101, 111, 121)),
        )
    }
