"""What the page's script is given."""

import json
from base64 import b64decode

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.browsing.points import Points
from preimage.browsing.static.payload import in_script, payload
from preimage.browsing.static.sprites import Sprites
from preimage.errors import DataError


@settings(max_examples=30)
@given(st.recursive(st.text() | st.none(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_any_text_can_stand_in_a_script(value):
    text = in_script(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_columns_come_as_numbers_or_codes_and_others_are_said():
    columns = {
        "loss": np.array([1.5, np.nan, 3]),
        "class": np.array(["b", "a", "b"], object),
        "id": np.array(["x", "y", "z"], object),
    }
    points = Points(np.array([2**60, 1, 2]), np.zeros((3, 2), np.float32), columns, None, "pca")
    none = Sprites((), 1, 1, (), np.full(2, -1, np.int32))
    found, notes = payload(points, np.array([2, 0]), none)
    assert found["ids"] == ["2", str(2**60)]
    assert found["names"] is None
    loss, label, _ = found["columns"]
    assert np.frombuffer(b64decode(loss["values"]), "<f4").tolist() == [3, 1.5]
    assert label["texts"] == ["b"]
    assert np.frombuffer(b64decode(label["codes"]), "<i4").tolist() == [0, 0]
    assert not notes


def test_too_many_columns_and_texts_are_left_out_and_said(monkeypatch):
    from preimage.browsing.static import payload as module

    monkeypatch.setattr(module, "COLUMNS_MOST", 2)
    monkeypatch.setattr(module, "TEXTS_MOST", 2)
    columns = {"id": np.array([*"xyz"], object), "a": np.arange(3.0), "b": np.arange(3.0)}
    points = Points(np.arange(3), np.zeros((3, 2), np.float32), columns, None, "pca")
    found, notes = payload(points, np.arange(3), Sprites((), 1, 1, (), np.full(3, -1, np.int32)))
    assert [each["name"] for each in found["columns"]] == ["a"]
    assert notes == (
        "1 columns are left out: b.",
        "The column id has 3 different texts, and colours nothing.",
    )


def test_whole_numbers_stay_what_they_are():
    columns = {"day": np.array([20261130, 20261131]), "side": np.array([64, 32])}
    points = Points(np.arange(2), np.zeros((2, 2), np.float32), columns, None, "pca")
    found, _ = payload(points, np.arange(2), Sprites((), 1, 1, (), np.full(2, -1, np.int32)))
    day, side = found["columns"]
    assert np.frombuffer(b64decode(day["values"]), "<f8").tolist() == [20261130, 20261131]
    assert np.frombuffer(b64decode(side["values"]), "<f4").tolist() == [64, 32]
    assert (day["wide"], side["wide"]) == (True, False)


def test_a_column_of_images_that_are_gone_leaves_the_others():
    class Gone(dict):
        def __getitem__(self, name):
            if name == "disagreement":
                raise DataError("the shard is gone")
            return super().__getitem__(name)

    columns = Gone(disagreement=None, loss=np.arange(2.0))
    points = Points(np.arange(2), np.zeros((2, 2), np.float32), columns, None, "pca")
    found, notes = payload(points, np.arange(2), Sprites((), 1, 1, (), np.full(2, -1, np.int32)))
    assert [each["name"] for each in found["columns"]] == ["loss"]
    assert notes == ("The column disagreement is left out: the shard is gone",)
