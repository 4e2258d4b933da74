"""Which folders are splits and which are classes, by their names alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preimage.data.sources.folder_layout import arrange
from preimage.data.sources.splits import same_split, split_of
from preimage.errors import DataError

TINY = ["train/n01/images", "train/n02/images", "val/images", "test/images"]
INTEL = [f"seg_{split}/seg_{split}/{name}" for split in ("train", "test") for name in ("sea", "street")]


def layout(folders: list[str], split: str = "train", class_level: int = 1):
    return arrange(dict.fromkeys(folders, 1), split, class_level, "photos")


def named(folders: list[str], split: str = "train", class_level: int = 1) -> dict[str, str]:
    """The class of each folder of the split, "" for none."""
    found = layout(folders, split, class_level)
    return {folder: found.classes[label] if label >= 0 else "" for folder, label in found.labels.items()}


@pytest.mark.parametrize(
    ("folders", "split", "expected"),
    [
        (["dog", "cat", "cat/young"], "train", ["dog", "cat", "cat"]),
        (["", "a"], "train", ["", ""]),
        (["", "a", "b"], "train", ["", "a", "b"]),
        (["a/b/c"], "train", [""]),
        (["a/b/cat/1", "a/b/dog"], "train", ["cat", "dog"]),
        (["bus", "car", "train"], "train", ["bus", "car", "train"]),
        (["bus/1", "bus/2", "train/images"], "train", ["bus", "bus", "train"]),
        (["pets\\cat", "pets\\dog"], "train", ["cat", "dog"]),
        (["train/a", "train/b", "train/c", "test/c"], "test", ["c"]),
        (["train/images/cat", "train/images/dog", "val/images/cat"], "train", ["cat", "dog"]),
        (TINY, "train", ["n01", "n02"]),
        (TINY, "val", [""]),
        (INTEL, "train", ["sea", "street"]),
        (INTEL, "test", ["sea", "street"]),
        ([*INTEL, "seg_pred/seg_pred"], "seg_train", ["sea", "street"]),
        (["train2017", "val2017", "test2017"], "train", [""]),
        (["Training/a", "Training/b", "Testing/a"], "train", ["a", "b"]),
        (["train/a", "train/b", "extras"], "extras", [""]),
    ],
)
def test_classes_are_the_first_folders_below_the_split(folders, split, expected):
    assert list(named(folders, split).values()) == expected


def test_a_label_means_the_same_in_splits_that_share_a_class():
    folders = [
        "train/a",
        "train/b",
        "val/b",
        "val/c",
        "test/c",
        "test/d",
        "training-notes/x",
        "training-notes/y",
    ]
    assert {tuple(layout(folders, split).classes) for split in ("val", "test")} == {("a", "b", "c", "d")}
    assert layout(folders, "training-notes").classes == ["x", "y"]


@pytest.mark.parametrize(("level", "expected"), [(0, ["", ""]), (1, ["a", "a"]), (2, ["x", "y"])])
def test_another_level_names_the_class(level, expected):
    folders = [f"{split}/{below}" for split in ("train", "test") for below in ("a/x", "a/y", "b/x")]
    assert list(named(folders, "train", level).values())[:2] == expected


def test_a_level_without_folders_is_refused():
    with pytest.raises(DataError, match=r"class_level=3.* at most 2 folders .* set 0 to 2"):
        layout(["train/a/x", "train/b", "test/a"], class_level=3)


@pytest.mark.parametrize(
    ("folders", "split", "parts"),
    [
        (["train", "test", "extras"], "train", ["photos/train", "split=test", "split=extras"]),
        (["w/train/a", "w/test/a", "w/extras"], "train", ["data.path=photos/w/train", "split=test"]),
        ([*INTEL, "seg_pred/seg_pred"], "train", ["split=seg_train", "split=seg_test", "split=seg_pred"]),
        (["cat", "dog", "test"], "train", ["unclear", "split=test", "rename"]),
        (["model", "crash test"], "train", ["'data.split=crash test' or data.split=model"]),
        (["train/a", "train/b", "unlabelled"], "train", ["unclear", "split=unlabelled"]),
        (["train/a", "train/b", "more/a", "more/b"], "train", ["unclear", "split=more"]),
        (["test/a", "test/b"], "train", ["has test/ but no train/", "data.split=test"]),
        (["photos/Testing/a"], "train", ["has Testing/ but no train/"]),
        (["train/a", "train/b"], "test", ["has train/ but no test/", "data.split=train"]),
        (["cat", "dog"], "test", ["no train/ and test/ folders", "cat/ and dog/", "data.split=train"]),
        ([""], "test", ["no train/ and test/ folders"]),
        (["Train", "training", "test"], "train", ["Train/ and training/", "=Train or data.split=training"]),
        (["trainA", "trainB", "testA"], "train", ["trainA/ and trainB/", "data.split=trainA"]),
        (["nut/train/good", "nut/test/bad", "cup/train/good"], "train", ["data.path=photos/nut"]),
        (["images/train", "images/val", "masks/train"], "train", ["mixed", "data.path=photos/images"]),
        (["a/test", "b/train"], "train", ["a/test/ and b/train/"]),
        (["extras/train/a", "extras/test/a", "val"], "extras", ["mixed", "data.path=photos/extras"]),
        ([*(f"class{i}" for i in range(20)), "test"], "train", ["and 12 more"]),
    ],
)
def test_what_is_unclear_is_refused_with_the_choices(folders, split, parts):
    with pytest.raises(DataError) as caught:
        layout(folders, split)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_the_exact_name_of_a_folder_chooses_it():
    folders = ["Train/a", "training/a", "test/a", "extras", ""]
    found = layout(folders, "training")
    assert list(found.labels) == ["training/a"]
    assert found.splits == {"Train": 1, "test": 1, "training": 1}
    assert found.left_out == {"extras": "folder extras/ is no split", "": "outside of the splits' folders"}


NAMES = st.sampled_from(["train", "Training", "test", "val", "extras", "cat", "dog", "images"])
FOLDERS = st.dictionaries(
    st.lists(NAMES, max_size=4).map("/".join), st.integers(1, 9), min_size=1, max_size=6
)


@given(FOLDERS, st.sampled_from(["train", "test", "Training", "cat"]), st.integers(0, 3))
def test_each_folder_is_used_or_in_another_split_or_left_out(images, split, level):
    try:
        found = arrange(images, split, level, "photos")
    except DataError as error:
        assert "data." in str(error)  # says what to set
        return
    used = sum(images[folder] for folder in found.labels)
    if found.splits:
        assert sum(found.splits.values()) + sum(images[folder] for folder in found.left_out) == sum(
            images.values()
        )
        assert used in [count for name, count in found.splits.items() if same_split(name, split)]
        assert not {*found.labels} & {*found.left_out}
    else:
        assert (used, found.left_out) == (sum(images.values()), {})
    for folder, label in found.labels.items():
        assert label == -1 or found.classes[label] in folder.split("/")
    assert found.classes == sorted({*found.classes})


def test_a_choice_keeps_the_endpoint_of_an_address():
    with pytest.raises(DataError, match=r"data\.path=s3://b/wrap/train\?region=x"):
        arrange({"wrap/train": 1, "wrap/extras/a": 1, "wrap/test": 1}, "train", 1, "s3://b/?region=x")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("TRAIN", "train"), ("seg_train", "train"), ("Training", "train"),
        ("train2017", "train"), ("trainA", "train"), ("TrainImages", "train"), ("training_set", "train"),
        ("val", "validation"), ("Valid", "validation"), ("dev-clean", "validation"),
        ("Testing", "test"), ("testB", "test"), ("test 2", "test"),
        ("trains", None), ("contest", None), ("2017", None), ("", None), ("latest", None),
    ],
)  # fmt: skip
def test_the_spellings_of_splits(name, split):
    assert split_of(name) == split
