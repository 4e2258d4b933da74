import pytest

from preimage.data.sources.splits import choose_split
from preimage.errors import DataError


@pytest.mark.parametrize(
    ("present", "split", "chosen"),
    [
        (["train", "val"], "validation", "val"),
        (["val", "validation"], "validation", "validation"),
        (["Training", "extra"], "train", "Training"),
        (["train", "extra"], "extra", "extra"),
    ],
)
def test_a_split_is_chosen_by_its_name_or_another_spelling(present, split, chosen):
    assert choose_split(present, split, "x") == chosen


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["val", "dev", "train"], "x has several splits that mean validation: set data.split to val or dev$"),
        (["train", "test"], "x has no split validation: set data.split to train or test$"),
    ],
)
def test_the_choices_are_named_where_none_or_several_fit(present, message):
    with pytest.raises(DataError, match=message):
        choose_split(present, "validation", "x")
