"""Samples of a store's rows."""

from hypothesis import given
from hypothesis import strategies as st

from preimage.browsing.samples_of_rows import sampled_rows


@given(st.integers(0, 3000), st.integers(1, 400), st.integers(0, 9))
def test_rows_are_there_once_ascending_and_as_many_as_asked_for(count, most, seed):
    rows = sampled_rows(count, most, seed).tolist()
    assert len(rows) == min(count, most)
    assert rows == sorted(set(rows))
    assert not rows or 0 <= rows[0] <= rows[-1] < count


def test_a_sample_is_from_all_over_the_store():
    rows = sampled_rows(100_000, 1000, 0)
    assert ((rows // 10_000)[:, None] == range(10)).sum(0).min() > 20
