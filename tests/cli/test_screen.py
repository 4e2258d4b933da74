"""What is printed fits the terminal it is printed on, and loses nothing that one copies."""

import io
import re

import pytest
from rich.console import Console

from preimage.cli.markdown import show_markdown
from preimage.cli.screen import commands, table

RUN = "train-gan-0123456789abcdef0123456789abcdef"
ROWS = [(RUN, "finished", "s3://bucket/a/long/place/of/the/results"), ("b", "running", "")]
HEADER = ("run", "state", "where")


def printed(show, width=80, terminal=True):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    show(console)
    return console.file.getvalue()


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_keeps_every_cell_whole(width, terminal):
    said = plain(printed(lambda console: table(console, ROWS, HEADER), width, terminal))
    for row in ROWS:
        for cell in row:
            assert cell in said


def test_a_table_is_of_columns_where_they_fit_or_nobody_looks():
    rows = 1 + len(ROWS)
    assert len(printed(lambda console: table(console, ROWS, HEADER), 200).splitlines()) == rows
    assert len(printed(lambda console: table(console, ROWS, HEADER), 40, terminal=False).splitlines()) == rows


def test_a_table_that_does_not_fit_is_a_block_for_each_row():
    lines = plain(printed(lambda console: table(console, ROWS, HEADER), 40)).splitlines()
    assert lines == [
        f"run    {RUN}",
        "state  finished",
        "where  s3://bucket/a/long/place/of/the/results",
        "",
        "run    b",
        "state  running",
    ]


def test_of_two_columns_a_short_first_one_stays_aligned_beside_cells_that_do_not_fit():
    rows = [("seed", "0"), ("digest", "f" * 64)]
    said = plain(printed(lambda console: table(console, rows, ("fact", "value")), 40)).splitlines()
    assert said == ["fact    value", "seed    0", f"digest  {'f' * 64}"]
    said = plain(printed(lambda console: table(console, rows), 15)).splitlines()
    assert said == ["seed  0", f"digest  {'f' * 64}"], "it takes more than half"


def test_sentences_are_broken_between_words_beside_their_column_or_below_it():
    rows = [("jobs/demo.yaml", "End to end on real handwritten digits, with every step that one takes")]
    wide = plain(printed(lambda console: table(console, rows, prose=True), 60)).splitlines()
    assert [len(line) <= 60 for line in wide] == [True] * 2
    assert wide[1].startswith(" " * 16 + "every")
    narrow = plain(printed(lambda console: table(console, rows, prose=True), 36)).splitlines()
    assert narrow[0].strip() == "jobs/demo.yaml"
    assert all(line.startswith("    ") and len(line) <= 36 for line in narrow[1:])
    assert (
        len(printed(lambda console: table(console, rows, prose=True), 60, terminal=False).splitlines()) == 1
    )


@pytest.mark.parametrize("width", [40, 80])
def test_a_markdown_table_keeps_every_cell(width):
    rows = ("trial | agreement (lower) | run", "---|---|---", f"**7** | 0.123456 | {RUN}", r"8 | a\|b | -")
    text = "Ranked:\n\n" + "\n".join(f"| {row} |" for row in rows)
    said = plain(printed(lambda console: show_markdown(console, text), width))
    for cell in ("trial", "agreement (lower)", "7", "0.123456", RUN, "a|b"):
        assert cell in said
    assert "**" not in said
    assert "---" not in said


def test_what_a_command_does_stands_above_it_where_it_would_not_fit_beside_it():
    browse, what = "  preimage browse invert-0123456789", "  # look into the latent space, in a browser"
    found = [(browse.strip(), what.removeprefix("  # ")), ("preimage ui", "")]
    for width, lines in ((90, [browse + what, "  preimage ui"]), (60, [what, browse, "  preimage ui"])):
        said = printed(lambda console: commands(console, found), width)
        assert said.splitlines()[2:] == lines  # after an empty line and the title
