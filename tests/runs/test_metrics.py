"""One function decides the name of a metric wherever it is seen."""

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from preimage.runs.metrics import flatten, numbers, plain_names

NAMES = st.text(st.sampled_from("aZ9 _-+()."), min_size=1, max_size=8).map(lambda name: f"a{name}")
METRICS = st.recursive(
    st.floats(allow_nan=False) | st.integers(0, 10) | st.booleans() | st.text(max_size=3),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def test_numbers_are_those_of_metrics_under_dotted_names():
    metrics = {"a": 1, "b": {"c": 2.5, "d": "text"}, "e": [1, 2], "f": True, "g": None}
    assert numbers(metrics) == {"a": 1.0, "b.c": 2.5}


@given(st.dictionaries(NAMES, METRICS, max_size=4))
def test_an_outcome_has_the_names_that_mlflow_accepts(metrics):
    held = plain_names(metrics)
    assert numbers(held).keys() <= flatten(held).keys()
    for name in numbers(held):
        _validate_metric_name(name)


def test_rows_that_a_user_names_keep_what_mlflow_accepts():
    held = plain_names({"table": {"GLO (L2)": {"mse": 0.25}, "GLO (L2) + prior": {"mse": 0.5}}})
    assert numbers(held) == {"table.GLO L2.mse": 0.25, "table.GLO L2 prior.mse": 0.5}


def test_names_that_become_the_same_lose_nothing():
    assert plain_names({"A (x)": 1, "A x": 2, "A [x]": {"b": 3}}) == {"A x": 1, "A x 2": 2, "A x 3": {"b": 3}}
