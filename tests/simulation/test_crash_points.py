"""Jobs that crash anywhere leave what an undisturbed run leaves, once they are started again."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulation.bucket import Bucket
from simulation.crashes import MODES, Crashes, Machine, Mode, Point
from simulation.posix import Disk
from simulation.scenarios import scenarios

ALL = os.environ.get("PREIMAGE_CRASH_POINTS") == "all"
ONE = os.environ.get("PREIMAGE_CRASH_POINT")
SEED = int(os.environ.get("PREIMAGE_CRASH_SEED", "0"))
SAMPLE = 4
"""Points of each job in `make test`."""
ON_DISK = ("preparation", "train-gan", "train-glo", "invert", "trials", "rounds", "study", "submission")
IN_A_BUCKET = ("preparation", "train-gan", "invert", "study", "submission")
JOBS: list[tuple[str, type[Disk | Bucket]]] = [
    *((name, Disk) for name in ON_DISK),
    *((name, Bucket) for name in IN_A_BUCKET),
]

Start = Callable[[str, type[Disk | Bucket]], Crashes]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run a job undisturbed."""

    def started(name: str, medium: type[Disk | Bucket]) -> Crashes:
        return Crashes(scenarios(tmp_path)[name], Machine(medium(), monkeypatch))

    return started


def attempt(crashes: Crashes, mode: str, points: list[Point], tell: Callable[[str, object], None]) -> None:
    """Try points, tell what came of them, and raise AssertionError with those that failed."""
    begin, failed = time.monotonic(), []
    for point in points:
        try:
            crashes.attempt(point)
        except Exception as error:
            failed.append(error)
    outcomes = {**crashes.outcomes} | ({"FAILED": len(failed)} if failed else {})
    tell("crash points", [crashes.name, mode, len(points), outcomes, time.monotonic() - begin])
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(points)} points", failed[:10])


if ONE:

    def test_crash_points_again(start, record_property):
        point = Point.of(ONE)
        name, _, medium = point.job.partition("@")
        crashes = start(name, Bucket if medium == "bucket" else Disk)
        attempt(crashes, point.mode, [point], record_property)

elif ALL:

    @pytest.mark.timeout(7200)
    @pytest.mark.parametrize(
        ("name", "medium", "mode"), [(name, medium, mode) for name, medium in JOBS for mode in MODES[medium]]
    )
    def test_crash_points_all(name, medium, mode: Mode, start, record_property):
        crashes = start(name, medium)
        attempt(crashes, mode, list(crashes.points(mode, SEED)), record_property)

else:

    @pytest.mark.parametrize(("name", "medium"), JOBS)
    def test_crash_points_sampled(name, medium, start, record_property):
        crashes = start(name, medium)
        points = [point for mode in MODES[medium] for point in crashes.points(mode, SEED)]
        stride = len(points) // SAMPLE
        attempt(crashes, "sample", points[(SEED + len(name)) % stride :: stride], record_property)
