"""CelebA, on a tiny copy of its own files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preimage.data.config import DataConfig
from preimage.data.decoding.decode import open_image
from preimage.data.images_table import read_rows, select_ids
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.open import found, open_source
from preimage.errors import DataError
from preimage.storage.folder import Folder

ATTRIBUTES = ["5_o_Clock_Shadow", "Male", "Smiling"]
PARTS = {"000001.jpg": 0, "000002.jpg": 2, "000003.jpg": 1, "000004.jpg": 2, "000005.jpg": 0}
HAS = {"000001.jpg": (1, 1, 0), "000002.jpg": (0, 1, 1), "000003.jpg": (0, 0, 0), "000004.jpg": (0, 0, 1),
       "000005.jpg": (0, 1, 0)}  # fmt: skip


@pytest.fixture
def celeba(tmp_path) -> Path:
    """Five faces; as in the official file, values are -1 and 1 in columns filled with spaces."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    for index, name in enumerate(PARTS):
        Image.new("RGB", (178, 218), (index, 0, 0)).save(folder / "img_align_celeba" / name)
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{name} {part}\n" for name, part in PARTS.items())
    )
    lines = [" ".join([name, *(f"{2 * has - 1:2}" for has in each)]) for name, each in reversed(HAS.items())]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["5", " ".join(ATTRIBUTES) + " ", *lines, ""]))
    (folder / "identity_CelebA.txt").write_text("".join(f"{name} {int(name[:6]) * 10}\n" for name in PARTS))
    return folder


def opened(path, split="train"):
    return open_source(DataConfig(source="celeba", path=str(path), split=split))


@pytest.mark.parametrize(
    ("split", "numbers"),
    [("train", [1, 5]), ("validation", [3]), ("valid", [3]), ("test", [2, 4]), ("all", [1, 2, 3, 4, 5])],
)
def test_a_split_has_its_images_in_the_files_order(celeba, split, numbers):
    source = opened(celeba.parent, split)
    rows = [source.row(index) for index in range(len(source))]
    assert [row.name for row in rows] == [f"img_align_celeba/{number:06}.jpg" for number in numbers]
    assert [row.columns["identity"] for row in rows] == [10 * number for number in numbers]
    assert all(row.label == -1 for row in rows)
    assert (source.classes, source.contents.splits) == ([], {"train": 2, "validation": 1, "test": 2})
    assert open_image(source.load(0)).size == (178, 218)


def test_attributes_are_columns_of_images_parquet(celeba, tmp_path):
    config = DataConfig(source="celeba", path=str(celeba), split="all", size=8)
    folder = prepare(config, Folder.at(tmp_path / "datasets"), backend="local").folder
    rows = read_rows(folder, range(5)).to_pylist()
    assert [tuple(row[name] for name in ATTRIBUTES) for row in rows] == list(HAS.values())
    assert select_ids(folder, "Male = 1 and not Smiling = 1").tolist() == [0, 4]
    assert select_ids(folder, "5_o_Clock_Shadow = 1 or identity > 40").tolist() == [0, 4]


def test_identities_may_be_absent(celeba):
    before = opened(celeba).columns.names
    (celeba / "identity_CelebA.txt").unlink()
    source = opened(celeba)
    assert (before, source.columns.names) == ([*ATTRIBUTES, "identity"], ATTRIBUTES)
    assert source.row(1).columns == dict(zip(ATTRIBUTES, HAS["000005.jpg"], strict=True))


def test_a_rewritten_image_or_list_is_another_state(celeba):
    states = [(opened(celeba).signature.state, opened(celeba).state(np.array([1])))]
    for name in ("list_attr_celeba.txt", "img_align_celeba/000005.jpg"):
        text = (celeba / name).read_bytes()
        (celeba / name).write_bytes(text + b"\n")
        states.append((opened(celeba).signature.state, opened(celeba).state(np.array([1]))))
    assert len({state for state, _ in states}) == 3
    assert states[0][1] == states[1][1] != states[2][1]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("list_attr_celeba.txt", None, "list_attr_celeba.txt: it is missing. Expected: the folder img_align"),
        ("list_attr_celeba.txt", "1\nMale\n000001.jpg 1\n", "it lacks 1 images, such as 000005.jpg"),
        ("list_attr_celeba.txt", "1\nMale\n000001.jpg 2\n", "'000001.jpg 2' is not an image with -1 or 1"),
        ("list_attr_celeba.txt", "1\nMale\n000001.jpg 1 1\n", "for each of 1 attributes"),
        ("identity_CelebA.txt", "000001.jpg x\n", "'000001.jpg x' is not an image and a number"),
        ("identity_CelebA.txt", "000001.jpg 1\n", "it lacks 1 images, such as 000005.jpg"),
        ("list_eval_partition.txt", "000001.jpg\n", "is not an image and a number"),
        ("list_eval_partition.txt", b"\xff\n", "list_eval_partition.txt: .*invalid start byte"),
    ],
)
def test_files_that_are_missing_or_invalid_are_named(celeba, file, text, message):
    (celeba / file).unlink()
    if text is not None:
        (celeba / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        opened(celeba).row(0)


def test_other_splits_and_lost_images_are_refused(celeba):
    with pytest.raises(
        DataError, match="no split faces: set data.split to train or validation or test or all"
    ):
        opened(celeba, "faces")
    (celeba / "img_align_celeba" / "000005.jpg").unlink()
    with pytest.raises(DataError, match=r"celeba lacks .*000005.jpg: copy or download it again"):
        _ = opened(celeba).signature
    (celeba / "img_align_celeba").rename(celeba / "elsewhere")
    with pytest.raises(DataError, match="img_align_celeba: it is missing"):
        opened(celeba)


def test_it_is_found_in_the_cache(celeba, monkeypatch):
    monkeypatch.setenv("PREIMAGE_CACHE", str(celeba.parent))
    assert found("celeba") == str(celeba)
