"""Conditions on columns: what they mean, and what is said of those that cannot be read."""

import operator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.data.images_table import as_expression
from preimage.data.where import LONGEST, All, AnyOf, Comparison, Not, columns_of, parse

ROWS = pa.table(
    {
        "age": pa.array([1, 2, None, 3, -4, 2], pa.int8()),
        "5_o_Clock": pa.array([0.5, None, 1e9, -0.25, 2.0, 2.0], pa.float64()),
        'a "b" c': ["x", "it's", "", None, 'q"', "X"],
    }
)
SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
         ">=": operator.ge}  # fmt: skip
NUMBERS = st.sampled_from([1, 2, 3, -4, 300, 0.5, -0.25, 1e9])
TEXTS = st.sampled_from(["x", "it's", "", 'q"', "X", "and"])


def comparisons():
    numbers = st.tuples(st.sampled_from(["age", "5_o_Clock"]), st.sampled_from(list(SIGNS)), NUMBERS)
    texts = st.tuples(st.just('a "b" c'), st.sampled_from(list(SIGNS)), TEXTS)
    single = st.one_of(numbers, texts).map(lambda each: Comparison(each[0], each[1], (each[2],)))
    some = st.lists(NUMBERS, min_size=1, max_size=3).map(lambda each: Comparison("age", "=", tuple(each)))
    return st.one_of(single, some)


def larger(part):
    several = st.lists(part, min_size=2, max_size=3).map(tuple)
    return st.one_of(part.map(Not), several.map(All), several.map(AnyOf))


CONDITIONS = st.recursive(comparisons(), larger, max_leaves=6)


def written(condition):
    """The text of a condition, with parentheses around every part."""
    if isinstance(condition, Not):
        return f"NOT ({written(condition.part)})"
    if isinstance(condition, All | AnyOf):
        return (" and " if isinstance(condition, All) else "\nOr ").join(
            f"({written(each)})" for each in condition.parts
        )
    name = condition.column.replace('"', '""')
    column = f'"{name}"' if " " in name else name
    values = ["'" + v.replace("'", "''") + "'" if isinstance(v, str) else repr(v) for v in condition.values]
    if len(values) > 1:
        return f"{column} in ({', '.join(values)})"
    return f"{column}{condition.sign}{values[0]}"


def holds(condition, row):
    """True, False, or None where a null leaves it open."""
    if isinstance(condition, Not):
        found = holds(condition.part, row)
        return None if found is None else not found
    if isinstance(condition, All | AnyOf):
        decisive, found = isinstance(condition, AnyOf), [holds(each, row) for each in condition.parts]
        return decisive if decisive in found else None if None in found else not decisive
    value = row[condition.column]
    compare = SIGNS[condition.sign]
    return None if value is None else any(compare(value, each) for each in condition.values)


@settings(max_examples=100)
@given(CONDITIONS)
def test_a_condition_chooses_the_rows_that_python_would(condition):
    read = parse(written(condition))
    assert read == condition
    found = ROWS.filter(as_expression(read, ROWS.schema)).to_pylist()
    assert found == [row for row in ROWS.to_pylist() if holds(condition, row)]


def test_not_binds_closer_than_and_which_binds_closer_than_or():
    a, b, c = (Comparison(name, "=", (1,)) for name in "abc")
    assert parse("not a = 1 and b = 1 or c = 1") == AnyOf((All((Not(a), b)), c))
    assert parse("a = 1 or b = 1 and not c = 1") == AnyOf((a, All((b, Not(c)))))
    assert parse("a not in (1)") == Not(a)
    assert columns_of(parse("not a = 1 and (b = 1 or c = 1)")) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the name of a column .* at character 1 but found the end"),
        ("a == 1", "expected =, !=, .* or in at character 3 but found '=='"),
        ("a = b", "expected a number, or a text in 'single quotes' at character 5 but found 'b'"),
        ('a = "b"', "expected a number"),
        ("a = 1 b", "expected and, or, or the end at character 7 but found 'b'"),
        ("(a = 1", "expected \\) at character 7 but found the end"),
        ("a in 1", "expected \\( at character 6"),
        ("a not = 1", "expected in at character 7"),
        ("and = 1", "expected the name of a column"),
        ("a = 'it's'", "expected and, or, or the end"),
        ("a = 1 & b = 2", "found '&'"),
        ("__import__('os')", "expected =, !="),
        ("(" * 1500, "too many parentheses"),
        ("a = 1 or " * 300, f"at most {LONGEST:,} characters"),
    ],
)
def test_a_condition_that_cannot_be_read_says_where(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)
