"""Writing a part: encoding, hashing and writing at once."""

import hashlib
import io
import subprocess
import sys
import threading

import pytest
import torch

from preimage.errors import StorageError, StoreError
from preimage.latents import parquet
from preimage.latents.parquet import Overlapped, batches
from preimage.latents.schema import concatenate
from preimage.latents.store import StoreWriter
from preimage.storage.folder import Folder


def blocks(count, size):
    random = torch.Generator().manual_seed(count)
    return [bytes(torch.randint(256, (size,), generator=random).tolist()) for _ in range(count)]


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 1), (3000, 7), (20, 1 << 18)])
def test_what_is_written_is_passed_on_in_order_and_hashed(count, size):
    stream, written = io.BytesIO(), blocks(count, size)
    with Overlapped(stream) as sink:
        for block in written:
            assert sink.write(block) == size
    whole = b"".join(written)
    assert stream.getvalue() == whole
    assert (sink.size, sink.sha256.hexdigest()) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_memory_that_is_used_again_after_writing_is_not_looked_at_again():
    stream, memory = io.BytesIO(), bytearray(b"first")
    with Overlapped(stream) as sink:
        sink.write(memory)
        memory[:] = b"other"
    assert stream.getvalue() == b"first"


class Full(io.BytesIO):
    def write(self, data):
        if self.tell() + len(data) > 3 << 20:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("count", [4, 40])
def test_a_stream_that_fails_is_noticed_and_its_thread_ends(count):
    before = threading.active_count()
    with pytest.raises(OSError, match="No space left"), Overlapped(Full()) as sink:
        sink.writelines([bytes(1 << 20)] * count)
    assert threading.active_count() == before


def test_a_part_that_cannot_be_stored_leaves_no_file(writer, make_codes):
    codes = make_codes([0, 0])
    with pytest.raises(StoreError, match="an image_id occurs twice"):
        writer.write(0, codes)
    assert [file.name for file in writer.folder.local.iterdir()] == ["_plan.json"]


FULL = """
import resource, signal, sys, torch
from preimage.errors import StorageError
from preimage.latents.schema import *
from preimage.latents.store import StoreWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
n = 20_000
ones = torch.ones(n, dtype=torch.int32)
codes = Codes(torch.arange(n), ones, torch.randn(n, 100), torch.rand(n), ones, ones, ones.bool())
about = About(generator=GeneratorInfo(fingerprint="g"), dataset=DatasetInfo(fingerprint="d", count=n),
              latent_dim=100, prior="normal")
writer = StoreWriter(sys.argv[1], about, 1, n)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
try:
    writer.write(0, codes)
except StorageError as error:
    print(error, writer.done())
"""


def test_a_full_disk_is_a_storage_error_and_the_part_is_still_to_be_written(tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "part-00000.parquet: " in process.stdout
    assert process.stdout.strip().endswith("set()")
    assert [file.name for file in tmp_path.iterdir()] == ["_plan.json"]


def test_a_refusing_folder_leaves_no_part(writer, make_codes, monkeypatch):
    def refuse(self, pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Overlapped, "_write", refuse)
    with pytest.raises(StorageError, match="cannot write .*part-00000.parquet: .*No space left"):
        writer.write(0, make_codes([0, 1]))
    assert [file.name for file in writer.folder.local.iterdir()] == ["_plan.json"]


@pytest.mark.parametrize("columns", [None, ("image_id", "loss")])
def test_row_groups_come_in_order_whatever_their_number(tmp_path, about, make_codes, monkeypatch, columns):
    monkeypatch.setattr(parquet, "ROW_GROUP", 4)
    monkeypatch.setitem(parquet.OPTIONS, "row_group_size", 4)
    sizes = (0, 4, 9, 1)
    writer = StoreWriter(tmp_path, about, len(sizes), sum(sizes))
    first = 0
    for index, size in enumerate(sizes):
        writer.write(index, make_codes(list(range(first, first + size))))
        first += size
    parts = writer.finish().manifest.parts
    found = list(batches(Folder.at(tmp_path), parts, about, columns, 3))
    assert max(map(len, found)) <= 3
    assert concatenate(found).image_id.tolist() == list(range(14))


def test_a_reader_that_stops_early_leaves_no_thread(store):
    before = threading.active_count()
    reading = store.batches()
    next(reading)
    reading.close()
    assert threading.active_count() == before
