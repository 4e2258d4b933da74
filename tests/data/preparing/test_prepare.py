"""From a source to a finished dataset."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageOps

from data.preparing.folders import folder_config, local
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.dataset import MANIFEST, Dataset
from preimage.data.decoding.decode import to_pixels
from preimage.data.preparing import prepare as preparation
from preimage.data.preparing import shard_plan
from preimage.data.preparing.prepare import Progress, prepare
from preimage.data.preparing.worker import Reader, ShardWriter
from preimage.data.sources.base import LeftOut
from preimage.data.sources.open import open_source
from preimage.errors import DataError, StorageError
from preimage.storage.folder import Folder
from preimage.storage.local import Posix


def into(told: list[tuple[int, int]]) -> Progress:
    """Collects what is told of every task's progress."""
    return lambda task: lambda done, total: told.append((done, total))


def test_every_image_once_with_its_own_pixels_and_label(images, datasets):
    config = folder_config(images)
    dataset = local(config, datasets)
    rows = dataset.read(0, len(dataset))
    source = open_source(config)
    assert len(dataset.manifest["shards"]) == 5
    assert sorted(rows.image_id.tolist()) == list(range(18))
    assert rows.image_id.tolist() != list(range(18))  # shuffled
    for image_id, pixels, label in zip(*rows, strict=True):
        np.testing.assert_array_equal(pixels.numpy(), to_pixels(source.load(int(image_id)), config))
        assert label == source.row(int(image_id)).label
    assert dataset.classes == ["a", "b"]


def test_one_channel(images, datasets):
    dataset = local(folder_config(images, channels=1), datasets)
    assert dataset.read(0, 5).pixels.shape == (5, 1, 8, 8)


def test_limit_takes_the_first_rows_of_the_same_shuffle(images, datasets):
    everything = local(folder_config(images), datasets).read(0, 7)
    limited = local(folder_config(images, max_images=7), datasets)
    assert len(limited) == 7
    assert torch.equal(limited.read(0, 7).image_id, everything.image_id)
    assert len(local(folder_config(images, max_images=1000), datasets)) == 18


def test_the_shuffle_never_changes():
    plan = shard_plan.plan_shards(DataConfig(source="digits", max_images=8), "key", 1797)
    assert plan.image_ids(0).tolist() == [1207, 748, 236, 28]


def test_each_image_leads_back_to_its_file(images, datasets):
    (images / "a" / "04.png").write_bytes(b"not an image")
    dataset = local(folder_config(images, max_images=12, on_error="skip"), datasets)
    table = pq.read_table(dataset.folder.local / "images.parquet")
    ids = dataset.read(0, dataset.count).image_id.tolist()
    assert table.column("image_id").to_pylist() == sorted(ids)
    source = open_source(folder_config(images))
    for image_id, name, label in zip(*table.to_pydict().values(), strict=True):
        assert (name, label) == source.row(image_id)[:2]
    counts = np.bincount(table.column("label").to_numpy(), minlength=2)
    assert dataset.contents.class_counts == tuple(counts)


def test_what_was_skipped_is_said_and_is_never_taken_by_one_who_does_not_skip(images, datasets, caplog):
    (images / "a" / "04.png").write_bytes(b"not an image")
    skip, stop = folder_config(images, on_error="skip"), folder_config(images)
    dataset = local(skip, datasets)
    assert dataset.contents.left_out == (LeftOut("unreadable, skipped", 1, ("a/04.png",)),)
    assert "a/04.png" in caplog.text
    assert Catalog(datasets).is_prepared(skip)
    with pytest.raises(DataError, match=r"1 of 18 images cannot be read:\n  a/04.png"):
        Catalog(datasets).is_prepared(stop)
    with pytest.raises(DataError, match="1 of 18 images cannot be read"):
        local(stop, datasets)


def test_nothing_is_decoded_again_when_nothing_changed(images, datasets, monkeypatch):
    first = local(folder_config(images), datasets)
    monkeypatch.setattr(preparation, "_Preparation", None)
    assert local(folder_config(images), datasets).fingerprint == first.fingerprint


def test_progress_counts_images(images, datasets):
    told = []
    local(folder_config(images), datasets, progress=into(told))
    assert told == [(0, 18), (4, 18), (8, 18), (12, 18), (16, 18), (18, 18)]


def test_a_killed_preparation_keeps_its_finished_shards(images, datasets):
    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        if done == 12:
            raise Killed

    config = folder_config(images)
    with pytest.raises(Killed):
        local(config, datasets, progress=lambda task: kill)
    folder = Catalog(datasets).folder(config)
    assert not folder.exists(MANIFEST)
    with pytest.raises(DataError, match="did not finish"):
        Dataset.open(folder)
    before = {name: (folder.local / name).stat().st_mtime_ns for name in folder.names()}
    told = []
    dataset = local(config, datasets, progress=into(told))
    assert told == [(12, 18), (16, 18), (18, 18)]
    assert all(
        (folder.local / f"part-0000{i}.parquet").stat().st_mtime_ns == before[f"part-0000{i}.parquet"]
        for i in range(3)
    )
    assert sorted(dataset.read(0, 18).image_id.tolist()) == list(range(18))


def test_images_that_are_not_square(images, datasets):
    config = folder_config(images).model_copy(update={"size": (8, 12), "channels": 4})
    dataset = local(config, datasets)
    assert dataset.folder.uri.rpartition("/")[2].startswith("folder-train-8x12px-")
    again = Dataset.open(dataset.folder)  # its manifest says the size as a list
    assert (again.shape, again.config) == ((4, 8, 12), config)
    rows, source = again.read(0, 18), open_source(config)
    for image_id, pixels, _ in zip(*rows, strict=True):
        image = Image.open(io.BytesIO(source.load(int(image_id))))
        fitted = ImageOps.fit(image, (12, 8), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(pixels[:3].numpy(), np.asarray(fitted).transpose(2, 0, 1))
        assert (pixels[3] == 255).all()


@pytest.mark.parametrize("lost", ["part-00001.parquet", "part-00002.parquet"])
def test_a_lost_shard_is_made_again_and_only_that(images, datasets, lost):
    config = folder_config(images)
    first = local(config, datasets)
    (first.folder.local / lost).unlink()
    told = []
    again = local(config, datasets, progress=into(told))
    assert told == [(14, 18), (18, 18)]
    assert again.fingerprint == first.fingerprint
    again.verify()


def test_an_unreadable_image_stops_preparation_after_all_were_tried(images, datasets):
    for name in ("a/04.png", "b/07.png"):
        (images / name).write_bytes(b"not an image")
    config = folder_config(images)
    with pytest.raises(DataError, match="2 of 18 images cannot be read") as caught:
        local(config, datasets)
    for part in ("a/04.png", "b/07.png", "data.on_error=skip"):
        assert part in str(caught.value)
    assert not Catalog(datasets).is_prepared(config)


def test_unreadable_images_are_left_out_counted_and_listed(images, datasets):
    (images / "a/04.png").write_bytes((images / "a/04.png").read_bytes()[:60])
    config = folder_config(images, on_error="skip")
    dataset = local(config, datasets)
    assert len(dataset) == 17
    assert [(s["image_id"], s["name"]) for s in dataset.skipped] == [(2, "a/04.png")]
    assert 2 not in dataset.read(0, 17).image_id.tolist()
    with pytest.raises(DataError, match="1 of 18 images cannot be read"):
        local(config.model_copy(update={"on_error": "stop"}), datasets)


def test_skipping_after_a_stop_makes_no_shard_again(images, datasets):
    (images / "a/04.png").write_bytes(b"")
    with pytest.raises(DataError):
        local(folder_config(images), datasets)
    told = []
    local(
        folder_config(images, on_error="skip"),
        datasets,
        progress=into(told),
    )
    assert told == [(18, 18)]


def test_only_some_offenders_are_named(as_folder, datasets):
    root = as_folder({f"{i:02}.png": b"" for i in range(25)} | {"z.png": b""})
    with pytest.raises(DataError, match="26 of 26") as caught:
        local(folder_config(root, on_error="skip"), datasets)
    assert "19.png" in str(caught.value)
    assert "20.png" not in str(caught.value)
    assert "and 6 more" in str(caught.value)


def test_a_decompression_bomb_is_unreadable(images, datasets, monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)  # the images have 120
    with pytest.raises(DataError, match="DecompressionBomb"):
        local(folder_config(images), datasets)


def test_a_full_disk_is_said(images, datasets, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Posix, "create", full)
    with pytest.raises(StorageError, match="No space left"):
        local(folder_config(images), datasets)


@pytest.mark.parametrize(
    ("size", "available", "step", "bound"),
    [(32, 50_000, 3072, 24), (256, 10**6, 128, 24), (8, 10, 256, 24), (64, 10**10, 43_520, 512)],
)
def test_shards_are_small_files_that_spread_and_grow_with_their_number(
    monkeypatch, size, available, step, bound
):
    monkeypatch.undo()
    plan = shard_plan.plan_shards(DataConfig(source="folder", size=size), "key", available)
    assert plan.step == step
    assert step * 3 * size**2 <= bound << 20


def test_images_that_change_during_preparation_are_noticed(images, datasets, make_png):
    import pickle

    config = folder_config(images)
    source = open_source(config)
    plan = shard_plan.plan_shards(config, "key", len(source))
    work = pickle.loads(pickle.dumps(ShardWriter(Reader(config, source), plan, datasets)))
    (images / "a" / "00.png").write_bytes(b"another size")
    with pytest.raises(DataError, match="changed during preparation"):
        work(0, torch.device("cpu"))


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_the_same_dataset_from_ray_with_any_number_of_workers(ray, images, datasets, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "IN_PROCESS", 0)
    here = local(folder_config(images), datasets)
    for workers in (1, 2):
        told = []
        there = prepare(
            folder_config(images),
            Folder.at(tmp_path / f"ray-{workers}"),
            workers=workers,
            progress=into(told),
        )
        assert [s["sha256"] for s in there.manifest["shards"]] == [
            s["sha256"] for s in here.manifest["shards"]
        ]
        assert there.fingerprint == here.fingerprint
        assert told[0] == (0, 18)
        assert told[-1] == (18, 18)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        prepare(folder_config(images), Folder.at(blocked), workers=2)
