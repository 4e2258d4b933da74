"""Whether images are those of an earlier dataset, by their content."""

import os
import shutil
from pathlib import Path

import pytest

from data.preparing.folders import folder_config, local
from preimage.data.catalog import Catalog
from preimage.data.preparing.prepared import key_of
from preimage.data.sources.folder import FilesSource


def test_a_dataset_is_named_by_its_settings_and_files(images, datasets):
    config = folder_config(images)
    catalog = Catalog(datasets)
    assert catalog.folder(config).uri.rpartition("/")[2].startswith("folder-train-8px-")
    key = catalog.key(config)
    assert catalog.key(config.model_copy(update={"on_error": "skip"})) == key
    changes = (
        {"size": 16},
        {"channels": 1},
        {"crop": 8},
        {"max_images": 4},
        {"resample": "box"},
        {"white": 9},
    )
    for change in changes:
        assert catalog.key(config.model_copy(update=change)) != key


def touched(images: Path) -> Path:
    for path in images.rglob("*.png"):
        os.utime(path, ns=(1, 1))
    return images


def copied(images: Path) -> Path:
    return Path(shutil.copytree(images, images.with_name("copy"), copy_function=shutil.copy))


@pytest.mark.parametrize("change", [touched, copied])
@pytest.mark.parametrize("count", [None, 5])
def test_what_was_touched_or_copied_is_compared_by_content_and_not_decoded(
    images, datasets, change, count, monkeypatch
):
    first = local(folder_config(images, max_images=count), datasets)
    config = folder_config(change(images), max_images=count)
    catalog = Catalog(datasets)
    assert not catalog.is_prepared(config)
    assert catalog.may_be_known(config)
    monkeypatch.setattr("preimage.data.preparing.decoded.to_pixels", None)
    again = local(config, datasets)
    assert again.folder == first.folder
    assert Catalog(datasets).is_prepared(config)
    assert Catalog(datasets).key(config) == key_of(config, first.identity)


def test_only_what_changed_is_read_to_compare(images, datasets, monkeypatch):
    local(folder_config(images), datasets)
    os.utime(images / "a" / "00.png", ns=(1, 1))
    read = []
    load = FilesSource.load
    monkeypatch.setattr(FilesSource, "load", lambda self, index: read.append(index) or load(self, index))
    local(folder_config(images), datasets)
    assert 0 in read
    assert len(read) <= 4  # the others of its shard


@pytest.mark.parametrize("change", ["content", "more", "fewer", "label"])
def test_other_content_is_another_dataset(images, datasets, make_png, change):
    first = local(folder_config(images), datasets)
    path = images / "a" / "00.png"
    if change == "content":  # of the same size
        data = bytearray(path.read_bytes())
        data[-16] ^= 1  # the checksum of the last chunk of pixels
        path.write_bytes(data)
    elif change == "more":
        (images / "a" / "99.png").write_bytes(make_png(99))
    elif change == "fewer":
        path.unlink()
    else:
        path.rename(images / "b" / "00.png")
    config = folder_config(images, on_error="skip")
    assert not Catalog(datasets).is_prepared(config)
    again = local(config, datasets)
    assert again.identity != first.identity
    assert again.folder != first.folder
    assert Catalog(datasets).key(config) == key_of(config, again.identity) != key_of(config, first.identity)
