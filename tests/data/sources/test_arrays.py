"""NumPy's arrays as images: the right values whatever their order, and refusals that say what to do."""

import numpy as np
import pytest
import torch

from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.arrays import ArraysSource
from preimage.data.sources.base import LeftOut, Row, is_iterable
from preimage.errors import DataError
from preimage.storage.folder import Folder

GREY = np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9)
COLOUR = np.arange(5 * 8 * 9 * 3).astype(np.uint8).reshape(5, 8, 9, 3)


def source(path, **options) -> ArraysSource:
    return ArraysSource(DataConfig(source="arrays", path=str(path), **options))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY),
        (GREY.astype(">u2"), GREY),
        (np.asfortranarray(GREY), GREY),
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2).copy(), COLOUR),
    ],
    ids=["grey", "big endian", "fortran", "last of 1", "first of 1", "last of 3", "first of 3"],
)
@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_images_have_their_values(tmp_path, array, expected, kind):
    path = tmp_path / f"x.{'npy' if kind == 'npy' else 'npz'}"
    write = {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}[kind]
    write(path, array)
    found = source(path)
    assert (len(found), is_iterable(found), found.classes) == (5, False, [])
    for index in range(5):
        image = found.load(index)
        assert (image.dtype, image.dtype.isnative) == (expected.dtype, True)
        np.testing.assert_array_equal(image, expected[index])
    assert found.row(2) == Row(f"{'x.npy' if kind == 'npy' else 'arr_0'}/2", -1, {})


def test_an_array_that_is_not_compressed_stays_on_disk(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros((1000, 64, 64, 3), np.uint8))
    found = source(tmp_path / "x.npz")._images
    while not isinstance(found, np.memmap) and found.base is not None:
        found = found.base
    assert isinstance(found, np.memmap)


def test_labels_and_columns_beside_images(tmp_path):
    np.savez(
        tmp_path / "x.npz",
        images=COLOUR,
        labels=np.array([[2], [0], [1], [0], [-1]], np.int8),
        weight=np.array([0.5, 1, 2, 3, 4], np.float16),
        artist=np.array(["Ada", "Ben", "", "é", "Ada"]),
        boxes=np.zeros((5, 4)),
        mean=np.zeros(7),
        name=np.arange(5),
    )
    found = source(tmp_path / "x.npz")
    assert (found.classes, found.contents.class_counts) == (["0", "1", "2"], (2, 1, 1))
    assert [found.row(i).label for i in range(5)] == [2, 0, 1, 0, -1]
    assert {field.name: str(field.type) for field in found.columns} == {"artist": "string", "weight": "float"}
    assert dict(found.row(3).columns) == {"artist": "é", "weight": 3.0}
    assert found.contents.left_out == (
        LeftOut(
            "arrays that hold no number or text for each image",
            2,
            ("boxes (5, 4) float64", "mean (7,) float64"),
        ),
        LeftOut("columns whose names images.parquet takes for itself", 1, ("name",)),
    )


@pytest.mark.parametrize("names", [("x_{}", "y_{}"), ("{}_images", "{}_labels")])
def test_splits_by_the_names_of_arrays(tmp_path, names):
    image, label = names
    arrays = {
        image.format("train"): GREY, label.format("train"): np.array(["dog"] * 5),
        image.format("test"): GREY[:2] + 1, label.format("test"): np.array(["cat", "dog"]),
    }  # fmt: skip
    np.savez(tmp_path / "x.npz", **arrays)
    train, test = source(tmp_path / "x.npz"), source(tmp_path / "x.npz", split="test")
    assert train.classes == test.classes == ["cat", "dog"]
    assert (train.contents.splits, train.contents.class_counts) == ({"train": 5, "test": 2}, (0, 5))
    np.testing.assert_array_equal(test.load(1), GREY[1] + 1)
    assert test.row(1) == Row(f"{image.format('test')}/1", 1, {})
    with pytest.raises(DataError, match="has no split validation: set data.split to train or test"):
        source(tmp_path / "x.npz", split="validation")


def test_labels_of_a_npy_lie_beside_it_where_the_config_says(tmp_path):
    np.save(tmp_path / "images.npy", GREY)
    np.save(tmp_path / "labels.npy", np.array([0, 1, 0, 1, 5]))
    alone = source(tmp_path / "images.npy")
    assert (alone.classes, alone.contents.class_counts) == ([], None)
    beside = LeftOut("other .npy files; data.label_column=NAME reads labels", 1, ("labels.npy",))
    assert alone.contents.left_out == (beside,)
    found = source(tmp_path / "images.npy", label_column="labels.npy")
    assert (found.classes, found.contents.left_out) == (["0", "1", "5"], ())
    assert [found.row(i).label for i in range(5)] == [0, 1, 0, 1, 2]
    with pytest.raises(DataError, match="no .npy file beside images.npy; there are labels.npy"):
        source(tmp_path / "images.npy", label_column="y.npy")


def test_what_is_no_label_is_one_only_if_asked_for(tmp_path):
    np.savez(tmp_path / "x.npz", x=GREY, y=np.eye(5), target=np.zeros(5))
    found = source(tmp_path / "x.npz")
    assert (found.classes, found.columns.names) == ([], ["target"])
    assert found.contents.left_out[0].examples == ("y (5, 5) float64",)
    for name in ("y", "target"):
        with pytest.raises(DataError, match="does not match 5 images.*one-hot"):
            source(tmp_path / "x.npz", label_column=name)
    np.savez(tmp_path / "y.npz", x=GREY, y=np.arange(5), x_extra=np.array(3))
    assert source(tmp_path / "y.npz").classes == list("01234")


def test_of_several_arrays_the_usual_name_or_the_chosen_one(tmp_path):
    np.savez(tmp_path / "x.npz", a=GREY, b=GREY + 1, kind=np.arange(5))
    with pytest.raises(DataError, match=r"set data.image_column to one .* a \(5, 8, 9\) uint16, b"):
        source(tmp_path / "x.npz")
    found = source(tmp_path / "x.npz", image_column="b", label_column="kind")
    assert (found.row(1).name, found.row(1).label, found.load(0)[0, 0]) == ("b/1", 1, 1)
    np.savez(tmp_path / "y.npz", other=GREY, images=GREY + 1)
    assert source(tmp_path / "y.npz").row(0).name == "images/0"


def test_the_state_changes_with_the_file_and_the_listing_with_the_labels(tmp_path):
    def signature(path, labels=(0, 1, 0, 1, 2)):
        np.savez(path, images=GREY, labels=np.array(labels))
        return source(path).signature

    first = signature(tmp_path / "x.npz")
    assert signature(tmp_path / "y.npz") == first  # a .npz has checksums
    assert signature(tmp_path / "x.npz", (0, 1, 0, 2, 1)).listing != first.listing
    np.savez(tmp_path / "x.npz", images=GREY + 1, labels=np.array([0, 1, 0, 1, 2]))
    changed = source(tmp_path / "x.npz")
    assert (changed.signature.listing, changed.signature.state != first.state) == (first.listing, True)
    assert changed.state(np.arange(2)) == changed.signature.state


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GREY / 1000}, r"from 0 to 0\.359 in the first 5 images.*\(x \* 255\)"),
        ({"x": GREY / 180 - 1}, r"from -1 to 0\.99.*\(\(x \+ 1\) \* 127\.5\)"),
        ({"x": GREY.astype(np.int64)[:, :, :4][:, :6] % 200}, "may be one image"),
        ({"x": GREY.astype(np.int64) % 200}, r"from 0 to 199.*x\.round\(\)\.astype"),
        ({"x": GREY > 100}, r"from 0 to 1 .*255"),
        ({"x": GREY.astype(np.complex64)}, "holds no pixels"),
        ({"x": GREY.reshape(5, 72)}, r"unclear which array .* x \(5, 72\) uint16"),
        ({"x": np.zeros((1, 5, 8, 9, 3), np.uint8)}, "reshape it"),
        ({"x": COLOUR[0]}, "may be one image or several: save it as"),
        ({"x": np.zeros((5, 3, 8, 4), np.uint8)}, "unclear which axis"),
        ({"x": np.zeros((5, 8, 8, 2), np.uint8)}, "no axis of 1, 3 or 4 channels"),
        ({"x": np.zeros((5, 0, 8), np.uint8)}, "reshape it"),
        ({"x": GREY, "y": np.arange(4)}, r"y \(4,\) int64 does not match 5 images"),
        ({"x_test": GREY}, "has no split train: set data.split to test"),
        ({"train_x": GREY, "x_train": GREY}, "have one meaning"),
        ({}, "unclear which array"),
    ],
)  # fmt: skip
def test_what_is_no_image_or_label_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=message):
        source(tmp_path / "x.npz")


def test_pickles_are_never_opened(tmp_path):
    mixed = np.empty(2, object)
    mixed[:] = [np.zeros((8, 8)), np.zeros((9, 9))]
    np.save(tmp_path / "x.npy", mixed)
    np.savez(tmp_path / "y.npz", images=GREY, names=mixed)
    with pytest.raises(DataError, match="holds Python objects, a pickle, which is never opened"):
        source(tmp_path / "x.npy")
    found = source(tmp_path / "y.npz")
    assert [each.examples for each in found.contents.left_out] == [("names (2,) object",)]


def test_a_file_that_claims_more_than_it_has(tmp_path):
    np.save(tmp_path / "x.npy", GREY)
    whole = (tmp_path / "x.npy").read_bytes()
    for data in (
        whole[:-1],
        whole + b"x",
        whole.replace(b"(5, 8, 9)", b"(9999999999999, 8, 9)"),
        b"",
        b"x" * 99,
    ):
        (tmp_path / "x.npy").write_bytes(data)
        with pytest.raises(DataError, match="truncated or too long|is empty|not in NumPy's format"):
            source(tmp_path / "x.npy")


def test_a_compressed_array_that_is_larger_than_may_be_held(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((9, 100, 100), np.uint8))
    monkeypatch.setattr("preimage.data.sources.npy.MAX_HELD", 90_000)
    with pytest.raises(DataError, match=r"takes 90,128 bytes.*np\.savez or np\.save"):
        source(tmp_path / "x.npz")


def test_a_folder_or_another_file_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", GREY)
    np.save(tmp_path / "y.npy", GREY)
    (tmp_path / "x.zip").write_bytes(b"")
    for path in (tmp_path, tmp_path / "x.zip"):
        with pytest.raises(DataError, match="is not one .npy or .npz file"):
            source(path)
    with pytest.raises(DataError, match="does not exist"):
        source(tmp_path / "z.npy")


def test_a_prepared_array_has_its_pixels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), np.uint8)
    np.savez(tmp_path / "x.npz", x_train=images, y_train=np.arange(20) % 3)
    config = DataConfig(source="arrays", path=str(tmp_path / "x.npz"), size=8)
    dataset = prepare(config, Folder.at(tmp_path), backend="local")
    rows = dataset.read(0, 20)
    order = torch.as_tensor(rows.image_id)
    assert sorted(order.tolist()) == list(range(20))
    assert torch.equal(rows.pixels, torch.from_numpy(images)[order])
    assert torch.equal(rows.labels.long(), order % 3)
    assert dataset.manifest["class_counts"] == [7, 7, 6]
