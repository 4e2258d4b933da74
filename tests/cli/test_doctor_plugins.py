"""What the command line says of installed plugins."""

from preimage.cli.data import list_sources
from preimage.cli.doctor_plugins import brought

CODE = """
from preimage.data.config import SourceKind
DOTS = SourceKind("dots, 8 x 8 grey", lambda config: None)
"""
DOTS = "preimage_dots:DOTS"


def test_the_doctor_names_what_each_brings_and_what_is_wrong(plug):
    plug({"sources": {"dots": DOTS, "Dots": DOTS}, "source": {"spots": DOTS}}, CODE, "preimage-dots", "0.3")
    plug({"sources": {"torn": "preimage_torn:X"}}, "import nowhere_at_all", "preimage-torn")
    plug({"jobs": {"pag": "preimage_mine:X"}}, "", "preimage-mine")
    dots, mine, torn = brought()
    assert dots.text == "preimage-dots 0.3: sources dots"
    group, name = dots.problems
    assert group == (
        "'spots' is in the group preimage.source of its entry points, but there is no such group; did you "
        "mean 'preimage.sources'?"
    )
    assert "no source: its name must be of lower-case letters, digits and hyphens" in name
    assert torn.text == "preimage-torn 1.2: nothing that can be used"
    assert "'torn' of preimage-torn 1.2 cannot be imported" in torn.problems[0]
    assert "'pag' is Preimage's own; that of preimage-mine 1.2 is not used" in mine.problems[0]


def test_sources_are_listed_with_their_plugin_and_a_broken_one_with_its_error(plug, capsys):
    plug({"sources": {"dots": DOTS, "torn": "nowhere_at_all:X"}}, CODE, "preimage-dots", "0.3")
    list_sources()
    rows = {row.split()[0]: " ".join(row.split()[1:]) for row in capsys.readouterr().out.splitlines()}
    assert rows["dots"] == "preimage-dots 0.3 dots, 8 x 8 grey; comes with preimage-dots 0.3"
    assert rows["torn"].startswith("broken the source 'torn' of preimage-dots 0.3 cannot be imported")
    assert rows["digits"].startswith("scikit-learn 1,797 handwritten digits")
