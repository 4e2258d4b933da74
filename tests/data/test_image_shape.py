"""Sizes of images: one number or a pair, as specs and overrides say them and configs keep them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from preimage.data.config import DataConfig
from preimage.data.image_shape import settings_text, shape_text
from preimage.models.config import LinearConfig
from preimage.specs.overrides import changed

DIGITS = {"source": "digits"}
SIDE = st.integers(8, 1024)


@given(shape=st.tuples(st.sampled_from([1, 3, 4]), SIDE, SIDE))
def test_the_settings_that_a_message_names_give_the_shape(shape):
    spec = {"job": "pca", "data": DIGITS}
    spec, _ = changed(spec, settings_text(shape).split())
    config = DataConfig.model_validate(spec["data"])
    assert config.shape == shape
    assert DataConfig.model_validate_json(config.model_dump_json()) == config


def test_square_sizes_are_kept_as_one_number():
    """Fingerprints, folders' names and cards of square images depend on it."""
    for size in (48, [48, 48], (48, 48)):
        assert '"size":48,' in DataConfig(source="digits", size=size, channels=1).model_dump_json()
        assert LinearConfig(latent_dim=2, prior="normal", image_size=size, channels=3).model_dump() == {
            "architecture": "linear",
            "latent_dim": 2,
            "prior": "normal",
            "image_size": 48,
            "channels": 3,
        }


@pytest.mark.parametrize("size", ["28", 28.0, True, None, 0, [28], [28, 40, 3], [28, "40"], [-28, 40], {}])
def test_what_is_no_size_is_refused_in_one_sentence(size):
    with pytest.raises(
        ValidationError, match=r"1 validation error(?s:.*)or \[height, width\] such as \[28, 40\]"
    ):
        DataConfig(source="digits", size=size)


@pytest.mark.parametrize("size", [7, 1025, [7, 64], [64, 1025]])
def test_sizes_of_data_have_bounds(size):
    with pytest.raises(ValidationError, match="must be from 8 to 1024 pixels a side"):
        DataConfig(source="digits", size=size)


def test_a_shape_is_printed_as_it_is_counted():
    assert shape_text((4, 28, 40)) == "4 x 28 x 40"
