"""From a source to a finished dataset."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from preimage.data import prepare as preparation
from preimage.data import shards
from preimage.data.config import DataConfig
from preimage.data.dataset import MANIFEST, Dataset
from preimage.data.decode import to_pixels
from preimage.data.prepare import dataset_key, dataset_name, prepare
from preimage.data.sources import open_source
from preimage.data.worker import ShardWriter
from preimage.errors import DataError, StorageError
from preimage.storage.folder import Folder


@pytest.fixture
def datasets(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path / "datasets")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Four images a shard at most, so that a few images make several."""
    monkeypatch.setattr(shards, "_FEWEST", 4)
    monkeypatch.setattr(shards, "_SPREAD", 1000)


@pytest.fixture
def images(as_folder, make_png) -> Path:
    return as_folder({f"{'ab'[i % 2]}/{i:02}.png": make_png(i) for i in range(18)})


def folder_config(path: Path, **settings) -> DataConfig:
    return DataConfig(source="folder", path=str(path), size=8, **settings)


def local(config: DataConfig, datasets: Folder, **options) -> Dataset:
    return prepare(config, datasets, backend="local", **options)


def test_every_image_once_with_its_own_pixels_and_label(images, datasets):
    config = folder_config(images)
    dataset = local(config, datasets)
    rows = dataset.read(0, len(dataset))
    source = open_source(config)
    assert len(dataset.manifest["shards"]) == 5
    assert sorted(rows.image_id.tolist()) == list(range(18))
    assert rows.image_id.tolist() != list(range(18))  # shuffled
    for image_id, pixels, label in zip(*rows, strict=True):
        image, expected = source.read(int(image_id))
        np.testing.assert_array_equal(pixels.numpy(), to_pixels(image, (3, 8, 8), None))
        assert label == expected
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
    plan = shards.plan_shards(DataConfig(source="digits", max_images=8), "key", 1797)
    assert plan.image_ids(0).tolist() == [238, 81, 1793, 395, 282, 614, 784, 10][: plan.step]


def test_name_and_key_follow_settings_and_files(images, make_png):
    config = folder_config(images)
    key = dataset_key(config)
    assert dataset_name(config) == f"folder-train-8px-{key[:10]}"
    assert dataset_key(config.model_copy(update={"on_error": "skip"})) == key
    for change in ({"size": 16}, {"channels": 1}, {"crop": 8}, {"max_images": 4}):
        assert dataset_key(config.model_copy(update=change)) != key
    images.rename(images.with_name("elsewhere"))
    moved = folder_config(images.with_name("elsewhere"))
    assert dataset_key(moved) == key
    (images.with_name("elsewhere") / "a" / "00.png").write_bytes(make_png(99))
    assert dataset_key(moved) != key


def test_nothing_is_decoded_again_when_nothing_changed(images, datasets, monkeypatch):
    first = local(folder_config(images), datasets)
    monkeypatch.setattr(preparation, "_make", None)
    assert local(folder_config(images), datasets).fingerprint == first.fingerprint


def test_progress_counts_images(images, datasets):
    told = []
    local(folder_config(images), datasets, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 18), (4, 18), (8, 18), (12, 18), (16, 18), (18, 18)]


def test_a_killed_preparation_keeps_its_finished_shards(images, datasets):
    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        if done == 12:
            raise Killed

    config = folder_config(images)
    with pytest.raises(Killed):
        local(config, datasets, on_progress=kill)
    folder = datasets / dataset_name(config)
    assert not folder.exists(MANIFEST)
    with pytest.raises(DataError, match="did not finish"):
        Dataset.open(folder)
    before = {name: (folder.local / name).stat().st_mtime_ns for name in folder.names()}
    told = []
    dataset = local(config, datasets, on_progress=lambda done, _: told.append(done))
    assert told == [12, 16, 18]
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
        fitted = ImageOps.fit(source.read(int(image_id))[0], (12, 8), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(pixels[:3].numpy(), np.asarray(fitted).transpose(2, 0, 1))
        assert (pixels[3] == 255).all()


@pytest.mark.parametrize("lost", ["part-00001.parquet", "part-00002.parquet"])
def test_a_lost_shard_is_made_again_and_only_that(images, datasets, lost):
    config = folder_config(images)
    first = local(config, datasets)
    (first.folder.local / lost).unlink()
    told = []
    again = local(config, datasets, on_progress=lambda done, _: told.append(done))
    assert told == [14, 18]
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
    assert not (datasets / dataset_name(config)).exists(MANIFEST)


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
    local(folder_config(images, on_error="skip"), datasets, on_progress=lambda done, _: told.append(done))
    assert told == [18]


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

    monkeypatch.setattr(Folder, "_renamed", full)
    with pytest.raises(StorageError, match="No space left"):
        local(folder_config(images), datasets)


@pytest.mark.parametrize(("size", "available", "step"), [(32, 50_000, 3072), (256, 10**6, 128), (8, 10, 256)])
def test_shards_are_small_files_that_spread(monkeypatch, size, available, step):
    monkeypatch.undo()
    plan = shards.plan_shards(DataConfig(source="folder", size=size), "key", available)
    assert plan.step == step
    assert step * 3 * size**2 <= shards.SHARD_BYTES


def test_images_that_change_during_preparation_are_noticed(images, datasets, make_png):
    import pickle

    config = folder_config(images)
    source = open_source(config)
    plan = shards.plan_shards(config, "key", len(source))
    work = pickle.loads(pickle.dumps(ShardWriter(config, source, plan, datasets)))
    (images / "a" / "00.png").write_bytes(make_png(99))
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
            on_progress=lambda done, total, told=told: told.append((done, total)),
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
