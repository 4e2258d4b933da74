"""The results' disk is full, at one moment or another: one message, nothing made is damaged, and after making
room the same command ends as if nothing had been.

The disk is one of memory, which only root may mount.
"""

import os
import subprocess

import pytest

import studies
from faulty import INVERT, TRAIN, planned
from preimage.errors import PreimageError
from preimage.latents.verify import verify
from preimage.pipelines.execute import execute
from preimage.tuning.records import read_records
from preimage.tuning.study import run_study
from stores import store_of

pytestmark = pytest.mark.faults
SIZE = 16 << 20
STEPS = {
    "train": TRAIN
    | {
        "training": TRAIN["training"]
        | {"total_images": 2_400, "log_every": 240, "sample_every": 1_200, "checkpoint_every": 600}
    },
    "codes": INVERT | {"inversion": INVERT["inversion"] | {"steps": 5}},
}
TWO = "space={model.kernel_size: {choice: [3, 4]}}"


class Disk:
    def __init__(self, folder) -> None:
        self.folder, self._rest = folder, folder / "everything-else"

    def fill(self, free_kib: int) -> None:
        with open(self._rest, "wb") as file:
            there = os.fstatvfs(file.fileno())
            os.posix_fallocate(file.fileno(), 0, there.f_bavail * there.f_bsize - (free_kib << 10))

    def make_room(self) -> None:
        self._rest.unlink()


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    plan = planned(tmp_path_factory.mktemp("undisturbed"), STEPS)
    execute(plan)
    return plan


def require_same(plan, undisturbed):
    there, here = (store_of(each.steps[1].run) for each in (undisturbed, plan))
    assert verify(here.folder).count == 400
    assert here.fingerprint == there.fingerprint
    for name in ("generator_loss", "discriminator_loss"):
        assert plan.steps[0].run.curve(name) == undisturbed.steps[0].run.curve(name)


@pytest.mark.parametrize("free", [80, 200, 400, 650], ids=lambda free: f"{free} KiB free")
def test_a_pipeline_says_so_and_goes_on_when_there_is_room(disk, undisturbed, free):
    """While images are prepared, in the training twice, and in the inversion."""
    plan = planned(disk.folder / "results", STEPS)
    disk.fill(free)
    with pytest.raises(PreimageError) as said:
        execute(plan)
    print(said.value)
    assert str(said.value).count("No space left on device") == 1
    assert str(disk.folder) in str(said.value)
    disk.make_room()
    execute(planned(disk.folder / "results", STEPS))
    require_same(plan, undisturbed)


@pytest.mark.long
def test_a_pipeline_on_ray_says_so_too(disk, undisturbed, ray):
    """A worker meets the full disk, and Ray's own files lie there as well."""
    plan = planned(disk.folder / "results", STEPS, backend="ray")
    disk.fill(300)
    with pytest.raises(PreimageError, match="No space left on device") as said:
        execute(plan)
    print(said.value)
    disk.make_room()
    execute(plan)
    require_same(plan, undisturbed)


@pytest.mark.parametrize("backend", ["local", "ray"])
def test_a_study_says_so_and_goes_on_when_there_is_room(disk, tmp_path, backend, request):
    if backend == "ray":
        request.getfixturevalue("ray")
    there = studies.planned(studies.GRID, tmp_path / "undisturbed", TWO)
    run_study(there)
    for free in (120, 300) if backend == "local" else (200,):
        plan = studies.planned(
            studies.GRID, disk.folder / f"{free}", TWO, f"trial.resources.backend={backend}"
        )
        disk.fill(free)
        with pytest.raises(PreimageError, match="No space left on device") as said:
            run_study(plan)
        print(free, said.value)
        disk.make_room()
        run_study(plan)
        assert studies.same(read_records(plan.run.folder)) == studies.same(read_records(there.run.folder))
