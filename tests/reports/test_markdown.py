"""Jobs' Markdown as parts of a page."""

from hypothesis import given
from hypothesis import strategies as st

from preimage.figures.tables import markdown, rows_of
from preimage.reports.markdown import Heading, Prose, Table, inline, parts_of

TEXT = """## Title (claim)

One *short* line
and **another**, `code`.

| a | b |
|---|---|
| 1 | **2** |
| x \\| y | |

Made by: a job
"""


def test_headings_prose_and_tables_in_order():
    heading, prose, table = parts_of(TEXT)
    assert heading == Heading("Title (claim)")
    assert prose == Prose("One <em>short</em> line and <strong>another</strong>, <code>code</code>.")
    assert isinstance(table, Table)
    assert table.head == ("a", "b")
    assert table.rows == (("1", "<strong>2</strong>"), ("x | y", ""))


def test_nothing_but_bold_code_and_emphasis_is_markup():
    text = "<b>x</b> [a](javascript:alert(1)) ![](http://x/y) **<i>** & `</code>`"
    assert inline(text) == (
        "&lt;b&gt;x&lt;/b&gt; [a](javascript:alert(1)) ![](http://x/y) "
        "<strong>&lt;i&gt;</strong> &amp; <code>&lt;/code&gt;</code>"
    )


def test_a_long_table_is_bounded():
    (table,) = parts_of(markdown([["n"], *([str(number)] for number in range(1_203))]))
    assert (len(table.rows), table.left_out) == (1_000, 203)


CELLS = st.text(st.characters(codec="ascii", exclude_characters="|\\\n\r\x0b\x0c\x1c\x1d\x1e")).map(str.strip)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4))
def test_rows_are_read_as_they_were_written(rows):
    rows = [["a", *row] for row in rows]  # a row of dashes alone would be the line below a header
    assert list(rows_of(markdown(rows).splitlines())) == rows
