"""What the simulated disk loses, and what local storage keeps on it."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.storage.folder import Folder
from simulation.image import PowerLoss, after_power_loss
from simulation.posix import Disk

LOSSES: list[PowerLoss] = ["lost", "torn", "mixed"]


def on(disk: Disk) -> Folder:
    return Folder(disk.storage, "/results/run")


def lose(disk: Disk, how: PowerLoss, seed: str = "") -> dict[str, bytes]:
    return disk.files(after_power_loss(disk.image(), how, seed))


def test_a_name_without_a_sync_is_lost_or_kept_with_any_of_its_bytes():
    disk = Disk()
    on(disk).write("file", b"whole", durable=False)
    assert disk.files(disk.image()) == {"/results/run/file": b"whole"}
    assert lose(disk, "lost") == {}
    assert lose(disk, "torn")["/results/run/file"] in (b"", bytes(5))
    left = {lose(disk, "mixed", str(seed)).get("/results/run/file") for seed in range(200)}
    assert {None, b"", b"whole", bytes(5), b"wh", b"wh\0\0\0"} <= left


@given(st.sampled_from(LOSSES), st.text(max_size=4))
def test_a_durable_write_survives_any_loss_of_power(how, seed):
    disk = Disk()
    on(disk).write("file", b"old")
    on(disk).write("file", b"new", durable=False)
    on(disk).write("other", b"whole")
    found = lose(disk, how, seed)
    assert found["/results/run/other"] == b"whole"


@given(st.sampled_from(LOSSES), st.text(max_size=4), st.data())
def test_a_file_is_old_or_new_wherever_power_is_lost_in_a_durable_write(how, seed, data):
    disk = Disk()
    on(disk).write("file", b"old")
    on(disk).write("file", b"new")
    again = Disk()
    on(again).write("file", b"old")
    first = len(again.trace)
    image = data.draw(st.sampled_from(disk.trace[first - 1 :])).image
    assert disk.files(after_power_loss(image, how, seed))["/results/run/file"] in (b"old", b"new")


def test_a_claim_makes_durable_what_a_killed_process_left():
    disk = Disk()
    on(disk).write("log/1", b"written")
    killed = next(each for each in disk.trace if each.name == "rename")
    disk.load(killed.image)
    assert lose(disk, "lost") == {}
    assert not isinstance(on(disk).claim({})(), dict)
    assert lose(disk, "lost")["/results/run/log/1"] == b"written"


def test_a_folder_that_was_deleted_does_not_come_back():
    disk = Disk()
    on(disk).write("part/file", b"old")
    (on(disk) / "part").delete()
    assert lose(disk, "lost") == {}


def test_a_claim_that_cannot_be_made_durable_is_released():
    disk = Disk()
    storage = disk.storage
    on(disk).write("file", b"", durable=False)  # its folder has changes to sync
    attempt = storage.claim("/results/run", {"pid": 1})

    def fails(number: int, name: str) -> None:
        if name == "sync folder":
            raise OSError(errno.EIO, "failing")

    disk.before = fails
    with pytest.raises(Exception, match="cannot write in /results/run: failing"):
        attempt()
    disk.before = lambda number, name: None
    assert not isinstance(storage.claim("/results/run", {"pid": 2})(), dict)
    assert isinstance(storage.claim("/results/run", {"pid": 3})(), dict), "one holder"
