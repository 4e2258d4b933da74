import pytest

from preimage.errors import StorageError
from preimage.runs.run_folder import RunFolder
from preimage.tracking import system
from preimage.tracking.system import SystemWatch, parse_gpus, samples


def test_gpus_by_number_without_what_they_do_not_report():
    found = parse_gpus("35, 1024, 4096, 120.5\n0, 8, 16, [N/A]\n")
    assert found == {
        "gpu_0_utilization_percentage": 35,
        "gpu_0_memory_usage_megabytes": 1024,
        "gpu_0_memory_usage_percentage": 25,
        "gpu_0_power_usage_watts": 120.5,
        "gpu_1_utilization_percentage": 0,
        "gpu_1_memory_usage_megabytes": 8,
        "gpu_1_memory_usage_percentage": 50,
    }


def test_samples_come_back_in_order_and_after_any_time(folder, monkeypatch):
    run = RunFolder(folder)
    now = iter(range(100, 200))
    monkeypatch.setattr(system, "ROWS", 3)
    monkeypatch.setattr("time.time", lambda: next(now))
    watch = SystemWatch(run)
    for _ in range(8):
        watch.sample()
    times = [1000 * second for second in range(100, 108)]
    assert len((folder / "system").names()) == 3
    for after in (0, 99_999, *times, 200_000):
        first, rows = samples(run, after)
        assert first == 100_000
        assert [row["time_ms"] for row in rows] == [each for each in times if each > after]


def test_a_short_run_leaves_a_sample_and_the_watch_ends_at_once(folder):
    with SystemWatch(RunFolder(folder), every=3600):
        pass
    _, rows = samples(RunFolder(folder))
    assert len(rows) == 1
    assert 0 <= rows[0]["metrics"]["system/cpu_utilization_percentage"] <= 100
    assert rows[0]["metrics"]["system/system_memory_usage_megabytes"] > 0


def test_a_torn_file_of_samples_is_skipped_and_another_version_s_refused(folder):
    place = folder / "system"
    for second in (1, 2, 3):
        place.write_json(f"{second * 1000:015d}.json", [{"time_ms": second * 1000, "metrics": {"a": 1.0}}])
    place.write(f"{2000:015d}.json", b"[")
    first, rows = samples(RunFolder(folder))
    assert (first, [row["time_ms"] for row in rows]) == (1000, [1000, 3000])
    place.write_json(f"{2000:015d}.json", [{"time": 2000}])
    with pytest.raises(StorageError, match="another version: 0.time_ms"):
        samples(RunFolder(folder))
