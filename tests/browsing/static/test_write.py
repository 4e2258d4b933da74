"""The map as one file."""

import re
from dataclasses import replace

import numpy as np
import pytest

from browsed import draw, of_codes
from preimage.browsing.points import Points, points_of
from preimage.browsing.static import write
from preimage.browsing.static.write import static_html, write_static
from preimage.errors import StorageError

NASTY = "</script><img src=x onerror=alert(1)>\u2028&\"'"


@pytest.fixture(scope="module")
def page(digits, tmp_path_factory):
    from browsed import whole
    from preimage.storage.folder import Folder

    subject = whole(Folder.at(tmp_path_factory.mktemp("page")), digits)
    return static_html(subject, points_of(subject, "pca"))


def test_the_page_asks_for_nothing_from_anywhere(page):
    """Whatever it names elsewhere is in Bokeh's own code, and its policy forbids to ask for it."""
    assert "default-src 'none'" in page
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", page)
    assert len(page) < 4e6


def test_the_same_map_is_the_same_file(subject):
    points = points_of(subject, "pca")
    assert static_html(subject, points) == static_html(subject, points)


def test_what_a_user_called_things_does_not_become_markup(subject):
    ids = subject.rows.ids
    columns = {NASTY: np.array([NASTY, *["b"] * (len(ids) - 1)], object), "loss": np.arange(len(ids)) * 1.0}
    points = Points(ids, draw(len(ids), 2).numpy(), columns, [NASTY] * len(ids), "tsne", (NASTY,))
    page = static_html(replace(subject, name=NASTY, missing=(NASTY,), made_by=NASTY), points)
    assert "<img" not in page
    assert page.count("onerror=alert(1)") >= 5
    assert page.count("</script>") == page.count("<script")


def test_what_is_missing_and_how_it_was_made_are_said(folder):
    subject = replace(of_codes(folder, draw(20)), missing=("The images are not here.",), made_by="by hand")
    page = static_html(subject, points_of(subject, "pca"))
    assert "<li>The images are not here.</li>" in page
    assert "<td>by hand</td>" in page
    assert str(subject.fingerprint)[:10] in page
    assert '"sheets":[]' in page


def test_of_many_points_a_sample_is_drawn_which_is_said(folder, monkeypatch):
    monkeypatch.setattr(write, "POINTS_MOST", 20)
    subject = of_codes(folder, draw(50))
    page = static_html(subject, points_of(subject, "pca"))
    assert "<li>20 of 50 points are drawn, above the density of all.</li>" in page


def test_it_is_written_whole_and_overwrites_nothing(subject, tmp_path):
    points = points_of(subject, "pca")
    size = write_static(subject, points, tmp_path / "new" / "map.html")
    assert (tmp_path / "new" / "map.html").stat().st_size == size
    with pytest.raises(StorageError, match="is there already"):
        write_static(subject, points, tmp_path / "new" / "map.html")
    assert write_static(subject, points, tmp_path / "new" / "map.html", overwrite=True) == size
    with pytest.raises(StorageError, match=r"must end in \.html"):
        write_static(subject, points, tmp_path / "map.png")
