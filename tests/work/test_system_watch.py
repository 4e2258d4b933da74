import multiprocessing
import os
import threading
from collections import Counter

from faulty import wait_for
from preimage.config import Resources
from preimage.work import system_watch
from preimage.work.node_watch import Turn, driver_watch
from preimage.work.system_watch import SystemWatch, file_name, node_of, parse_gpus


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


def nodes_in(folder):
    return [node_of(name) for name in folder.names()]


def test_a_short_run_leaves_a_sample_and_the_watch_ends_at_once(folder):
    with SystemWatch(folder, every=3600):
        pass
    assert nodes_in(folder) == [""]
    [row] = folder.read_json(folder.names()[0])
    assert 0 <= row["metrics"]["system/cpu_utilization_percentage"] <= 100
    assert row["metrics"]["system/system_memory_usage_megabytes"] > 0


def test_also_the_first_sample_says_how_busy_the_machine_is(folder, monkeypatch):
    """A thread's first call of psutil returns 0."""
    calls = Counter()

    def cpu_percent():
        calls[threading.get_ident()] += 1
        return 0.0 if calls[threading.get_ident()] == 1 else 50.0

    monkeypatch.setattr("psutil.cpu_percent", cpu_percent)
    with SystemWatch(folder, every=3600) as watch:
        pass
    assert [row["metrics"]["system/cpu_utilization_percentage"] for row in watch.rows] == [50]


def test_a_run_s_only_node_has_no_name_until_another_has_samples(folder, monkeypatch):
    now = iter(range(100, 200))
    monkeypatch.setattr("time.time", lambda: next(now))
    watch = SystemWatch(folder, "head")
    watch.sample()
    watch.sample()
    SystemWatch(folder, "worker-1.local", named=True).sample()
    watch.sample()
    watch.sample()
    assert nodes_in(folder) == ["", "worker-1.local", "head"]
    assert [len(folder.read_json(name)) for name in folder.names()] == [2, 1, 2]


def test_without_ray_a_node_never_has_a_name(folder):
    SystemWatch(folder, "another", named=True).sample()
    driver_watch(folder, Resources(backend="local")).sample()
    assert sorted(nodes_in(folder)) == ["", "another"]


def test_a_file_holds_an_hour(folder, monkeypatch):
    monkeypatch.setattr(system_watch, "ROWS", 3)
    watch = SystemWatch(folder, "head", named=True)
    for second in range(8):
        monkeypatch.setattr("time.time", lambda second=second: second)
        watch.sample()
    assert folder.names() == [file_name(1000 * second, "head") for second in (0, 3, 6)]


def _hold(what, took):
    with Turn(what) as turn:
        took.send(turn.is_mine())
        took.poll(60)
        os._exit(0)  # as if killed


def test_one_process_at_a_time_has_its_turn_and_the_next_when_it_dies(folder):
    here, there = multiprocessing.get_context("fork").Pipe()
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(folder.uri, there))
    holder.start()
    assert here.recv() is True
    with Turn(folder.uri) as turn, Turn(f"{folder.uri} another node") as other:
        assert not turn.is_mine()
        assert other.is_mine()
        holder.kill()
        holder.join()
        assert turn.is_mine()
        assert turn.is_mine()
        with Turn(folder.uri) as late:
            assert not late.is_mine()
    assert not turn.path.exists()
    assert not other.path.exists()
    with Turn(folder.uri) as again:
        assert again.is_mine()


def test_who_waits_for_a_turn_is_not_fooled_by_the_file_that_the_last_one_removed(folder):
    """It opens the file; before it has the lock, the holder ends and a third takes a new file."""
    holder, waiting, third = (Turn(folder.uri) for _ in range(3))
    with holder, third:
        assert holder.is_mine()
        opened = os.open

        def raced(*arguments):
            file = opened(*arguments)
            os.open = opened
            holder.__exit__()
            assert third.is_mine()
            return file

        os.open = raced
        try:
            assert not waiting.is_mine()
        finally:
            os.open = opened


def test_a_link_in_the_place_of_the_lock_is_not_followed(folder, caplog):
    with Turn(folder.uri) as turn:
        turn.path.symlink_to(folder.local / "made")
        try:
            assert turn.is_mine()
            assert turn.is_mine()
        finally:
            turn.path.unlink()
    assert not (folder.local / "made").exists()
    assert len(caplog.records) == 1


def test_two_workers_of_a_node_sample_it_once(folder):
    with Turn(folder.uri) as first, Turn(folder.uri) as second:
        watch = {"node": "a", "named": True, "every": 0.01}
        with SystemWatch(folder, **watch, leads=first.is_mine) as one:
            wait_for(lambda: len(one.rows) > 1, 10)
            with SystemWatch(folder, **watch, leads=second.is_mine) as other:
                before = len(one.rows)
                wait_for(lambda: len(one.rows) > before + 2, 10)
        assert other.rows == []
    assert len(folder.names()) == 1
