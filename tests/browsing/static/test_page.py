"""The map as a person sees it: a file that is opened in a real browser, which has no network."""

from dataclasses import replace

import numpy as np
import pytest

from browsed import whole
from chromium import WEBGL, chromium, until
from preimage.browsing.points import Points
from preimage.browsing.static.write import write_static
from preimage.storage.folder import Folder

pytestmark = pytest.mark.browser
NAME = "<b>3 & 4</b>.png"
SOURCE = "Bokeh.documents[0].get_model_by_name('points')"
PLACE = f"""
const view = Bokeh.index.get(Bokeh.documents[0].roots()[0]), frame = view.frame;
const box = view.canvas_view.el.getBoundingClientRect(), data = {SOURCE}.data, row = arguments[0];
return [box.left + frame.x_scale.compute(data.x[row]), box.top + frame.y_scale.compute(data.y[row])];
"""


@pytest.fixture(scope="module")
def opened(digits, tmp_path_factory):
    """The browser with the page, and what the page was made of: points on a circle."""
    folder = tmp_path_factory.mktemp("static")
    subject = whole(Folder.at(folder), digits)
    ids, turn = subject.rows.ids, np.linspace(0, 2 * np.pi, subject.count, endpoint=False)
    columns = {
        "label": np.array([*["even", "odd"] * len(ids)][: len(ids)], object),
        "loss": np.arange(len(ids)) / 8,
    }
    circle = np.stack([np.cos(turn), np.sin(turn)], 1).astype(np.float32)
    points = Points(ids, circle, columns, [NAME] * len(ids), "tsne", ("A note.",))
    write_static(subject, points, folder / "map.html")
    with chromium(*WEBGL, "--window-size=1200,800", logs=("browser",)) as browser:
        browser.get((folder / "map.html").as_uri())
        until(lambda: browser.execute_script("return document.body.dataset.ready"))
        yield browser, points


def at_point(browser, row):
    from selenium.webdriver.common.action_chains import ActionChains

    x, y = browser.execute_script(PLACE, row)
    actions = ActionChains(browser)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    return actions


def text(browser, place):
    return browser.find_element("id", place).text


def test_a_person_hovers_clicks_and_colours(opened):
    browser, points = opened
    at_point(browser, 5).perform()
    tip = until(lambda: text(browser, "tip"))
    assert tip.splitlines() == ["image | reconstruction", NAME, "label: odd"]
    picture = browser.find_element("css selector", "#tip .thumbnail")
    assert 'url("data:image/png' in picture.value_of_css_property("background-image")

    at_point(browser, 5).click().perform()
    chosen = until(lambda: "image_id" in text(browser, "card") and text(browser, "card"))
    assert str(points.ids[5]) in chosen.splitlines()
    assert "0.625" in chosen.splitlines()

    browser.execute_script(
        "const all = document.getElementById('colour'); all.value = 1; all.dispatchEvent(new Event('change'))"
    )
    until(lambda: browser.find_elements("css selector", "#legend .bar"))
    first, last = browser.execute_script(f"const c = {SOURCE}.data.color; return [c[0], c[c.length - 1]]")
    assert (first, last) == ("#440154", "#FDE724")


def test_a_class_is_chosen_in_the_legend(opened):
    browser, points = opened
    browser.execute_script(
        "const all = document.getElementById('colour'); all.value = 0; all.dispatchEvent(new Event('change'))"
    )
    even, odd = until(lambda: browser.find_elements("css selector", "#legend button"))
    assert [even.text, odd.text] == ["even (30)", "odd (29)"]
    odd.click()
    until(lambda: text(browser, "card") == "29 chosen")
    assert len(browser.find_elements("css selector", "#many .thumbnail")) == 29
    assert browser.execute_script(f"return {SOURCE}.selected.indices") == list(range(1, len(points), 2))


def test_the_browser_has_nothing_to_complain_of_and_the_page_says_what_it_is(opened):
    browser, _ = opened
    assert [each for each in browser.get_log("browser") if each["level"] in ("WARNING", "SEVERE")] == []
    assert "A note." in text(browser, "notes")
    assert browser.find_element("tag name", "h1").text == "digits"


def test_points_of_which_nothing_else_is_known_are_named(opened, digits, tmp_path):
    browser, points = opened
    subject = whole(Folder.at(tmp_path), digits)
    alone = Points(points.ids, points.xy, {"day": np.arange(len(points)) + 20261100}, None, "tsne")
    write_static(subject, replace(alone, columns={}), tmp_path / "bare.html")
    write_static(subject, alone, tmp_path / "days.html")
    for name, said in (("bare", f"image {points.ids[5]}"), ("days", "day: 20261105")):
        browser.get((tmp_path / f"{name}.html").as_uri())
        until(lambda: browser.execute_script("return document.body.dataset.ready"))
        at_point(browser, 5).perform()
        assert until(lambda: text(browser, "tip")).splitlines()[-1] == said
