"""The gallery's examples, at sizes so small that their images mean nothing, and its pages."""

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from website import gallery

SCRIPTS = Path(__file__).parents[2] / "examples" / "gallery"


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:No complete tensor found"
)
@pytest.mark.timeout(900)
def test_every_example_runs_and_draws_its_picture(tmp_path, monkeypatch):
    """One after another in one folder, as a reader would: they share the runs that the first ones trained."""
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREIMAGE_RESULTS", raising=False)
    for name in gallery.names():
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--tiny"])
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        plt.close("all")
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 200
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()


def test_every_script_is_in_the_gallery_once_with_its_picture():
    assert sorted(gallery.names()) == sorted(path.stem for path in SCRIPTS.glob("*.py"))
    pictures = {path.stem: path.stat().st_size for path in gallery.PICTURES.glob("*.png")}
    assert pictures.keys() == set(gallery.names())
    assert max(pictures.values()) <= 150_000


@pytest.mark.parametrize("name", gallery.names())
def test_a_page_says_what_one_learns_and_holds_the_script(name):
    page, source = gallery.pages()[f"gallery/{name}.md"], (SCRIPTS / f"{name}.py").read_text()
    assert gallery.lesson(name) in page
    assert len(gallery.lesson(name)) > 80
    assert source.split('"""', 2)[2].strip() in page
    assert 20 < len(source.splitlines()) <= 100
    assert f"python examples/gallery/{name}.py" in page
    imported = [line for line in source.splitlines() if "preimage" in line and "import" in line]
    assert imported == ["import preimage as pi"], "the public API alone"
