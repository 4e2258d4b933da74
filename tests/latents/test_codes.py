"""Codes to Arrow and back."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preimage.errors import StoreError
from preimage.latents.schema import COLUMNS, arrow_schema, from_table, to_table


def test_a_round_trip_keeps_every_value_and_type(make_codes, about):
    codes = make_codes([5, 2, 9])
    back = from_table(to_table(codes, about))
    for name in COLUMNS:
        assert getattr(back, name).dtype == getattr(codes, name).dtype
        assert torch.equal(getattr(back, name), getattr(codes, name)), name


def test_codes_are_shared_with_arrow_not_copied(make_codes, about):
    codes = make_codes([1, 2])
    table = to_table(codes, about)
    back = from_table(table)
    assert back.z.data_ptr() == codes.z.data_ptr()
    assert back.loss.data_ptr() == codes.loss.data_ptr()


def float32(bits):
    return torch.from_numpy(np.array(bits, np.uint32).view(np.float32))


BITS = st.integers(0, 2**32 - 1).filter(lambda bits: bits & 0x7FFFFFFF != 0x7F800000)  # no infinity


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits=st.lists(BITS, max_size=12), cut=st.integers(0, 12))
def test_a_loss_of_any_bits_but_infinity_goes_round_with_null_for_nan(make_codes, about, bits, cut):
    loss = float32(bits)
    table = to_table(replace(make_codes(list(range(len(bits)))), loss=loss), about)
    assert table["loss"].is_null().to_pylist() == loss.isnan().tolist()
    for rows in (slice(0, cut), slice(cut, None)):
        length = len(range(len(bits))[rows])
        back = from_table(table.slice(rows.start, length))
        assert torch.equal(back.loss.nan_to_num(-1), loss[rows].nan_to_num(-1))
        assert torch.equal(back.diverged, loss[rows].isnan())
        assert torch.equal(back.z, make_codes(list(range(len(bits)))).z[rows])


def test_a_table_in_several_chunks_and_a_slice_of_one(make_codes, about):
    table = to_table(make_codes([1, 2, 3, 4]), about)
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 2), table.slice(3)])
    assert torch.equal(from_table(chunked).z, make_codes([1, 2, 3, 4]).z)
    assert torch.equal(from_table(table.slice(1, 2)).z, make_codes([2, 3]).z)
    assert torch.equal(from_table(table.slice(1, 2)).converged, make_codes([2, 3]).converged)


def test_no_rows(make_codes, about):
    back = from_table(to_table(make_codes([]), about))
    assert back.z.shape == (0, 3)
    assert len(back) == 0


def test_rows_can_be_taken_of_codes_with_columns_left_out(make_codes, about):
    table = to_table(make_codes([1, 2, 3]), about).select(["image_id", "loss"])
    assert from_table(table)[torch.tensor([True, False, True])].image_id.tolist() == [1, 3]


def test_paths_are_not_in_the_parquet_metadata(about):
    moved = about.model_copy(update={"generator": about.generator.model_copy(update={"path": "elsewhere"})})
    assert arrow_schema(about).equals(arrow_schema(moved), check_metadata=True)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("z", torch.zeros(2, 4), "z is"),
        ("z", torch.zeros(2, 3, dtype=torch.float64), "float64"),
        ("z", torch.tensor([[0, 0, torch.nan], [0, 0, 0]]), "z holds a value that is not finite"),
        ("z", torch.tensor([[0, torch.inf, -torch.inf], [0, 0, 0]]), "not finite"),
        ("loss", torch.tensor([0.0, torch.inf]), "loss must not be infinite"),
        ("loss", torch.tensor([torch.nan, -torch.inf]), "loss must not be infinite"),
        ("steps", torch.zeros(3, dtype=torch.int32), "steps is"),
        ("image_id", torch.tensor([4, 4]), "occurs twice"),
    ],
)
def test_codes_that_cannot_be_stored_are_refused(make_codes, about, column, value, said):
    with pytest.raises(StoreError, match=said):
        to_table(replace(make_codes([1, 2]), **{column: value}), about)


def test_finite_values_as_large_as_float32_holds_are_taken(make_codes, about):
    largest = torch.full((2, 3), torch.finfo(torch.float32).max)
    assert torch.equal(from_table(to_table(replace(make_codes([1, 2]), z=largest), about)).z, largest)
