"""`preimage browse` as a person uses it: click, lasso, slide, paint, in a real browser without a network."""

import json
import time

import pytest

from chromium import WEBGL, chromium, until
from page_server import browsed, pca_of_digits

pytestmark = pytest.mark.browser
MODEL = "Bokeh.documents[0].get_model_by_name"
PLACE = (
    "const all = [...Bokeh.index].flatMap(function f(v) { return [v, ...[...v.children()].flatMap(f)] });"
    f"const view = all.find((each) => each.model === {MODEL}(arguments[0]));"
    "const box = view.canvas_view.el.getBoundingClientRect(), frame = view.frame.bbox;"
)
AT = PLACE + (
    "return [box.left + frame.left + frame.width * arguments[1],"
    " box.top + frame.top + frame.height * arguments[2]]"
)
OF_POINT = PLACE + (
    "const data = view.model.renderers[0].data_source.data, place = arguments[1];"
    "const x = view.frame.x_scale.compute(data.x[place]), y = view.frame.y_scale.compute(data.y[place]);"
    "return [box.left + x, box.top + y]"
)
SHOWN = """
const parts = (root) => [...root.querySelectorAll("*")].flatMap((each) =>
  each.shadowRoot ? parts(each.shadowRoot) : [each]);
const all = parts(document.querySelector(arguments[0]));
const texts = all.filter((each) => !each.children.length && !["STYLE", "SCRIPT"].includes(each.tagName));
const pictures = all.filter((each) => each.tagName === "IMG" && each.src.startsWith("data:"));
return [texts.map((each) => each.textContent).join(" "), pictures.map((each) => each.src)];
"""
HOVERED = """
const found = (root) => [...root.querySelectorAll("*")].flatMap((each) => [
  ...(each.tagName === "IMG" && each.src.includes("/picture/") && each.naturalWidth ? [each] : []),
  ...(each.shadowRoot ? found(each.shadowRoot) : []),
]);
return found(document).length;
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with browsed(pca_of_digits(tmp_path_factory.mktemp("browse") / "results")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address):
    with chromium(*WEBGL, "--window-size=1280,940", logs=("browser", "performance")) as made:
        made.get(address)
        until(lambda: made.execute_script(f"return window.Bokeh?.documents[0]?.is_idle && !!{MODEL}('map')"))
        yield made


def shown(browser, where):
    """The text and the pictures of a part of the page."""
    return browser.execute_script(SHOWN, where)


def drag(browser, figure, *places):
    """Along a line, with rests: a busy browser merges moves that follow each other too fast."""
    from selenium.webdriver import ActionChains

    chain = ActionChains(browser, duration=100)
    pointer = chain.w3c_actions.pointer_action
    for number, (x, y) in enumerate(places):
        pointer.move_to_location(*map(int, browser.execute_script(AT, figure, x, y)))
        if not number:
            pointer.pointer_down()
        pointer.pause(0.15)
    pointer.pointer_up()
    chain.perform()


def click_point(browser, place):
    from selenium.webdriver import ActionChains

    chain = ActionChains(browser, duration=50)
    pointer = chain.w3c_actions.pointer_action
    pointer.move_to_location(*map(int, browser.execute_script(OF_POINT, "map", place)))
    pointer.click()
    chain.perform()


def open_tab(browser, name):
    browser.find_element("css selector", f"[data-tab={name}]").click()
    return f"[data-section={name}]"


def wait_for(browser, where, found, patience=90):
    """The text and pictures of a part, as soon as they are as wanted."""
    end = time.monotonic() + patience
    while not found(*(now := shown(browser, where))):
        assert time.monotonic() < end, f"{where} shows {len(now[1])} pictures and: {now[0]}"
        time.sleep(0.2)
    return now


def test_a_click_picks_a_point_and_shows_image_and_reconstruction(browser):
    for number, place in enumerate((10, 20, 30), 1):
        click_point(browser, place)
        wait_for(browser, ".picks", lambda _text, pictures, count=2 * number: len(pictures) == count)
    text, _ = shown(browser, ".picks")
    assert text.count("label") == 3


def test_a_slider_changes_the_image(browser):
    where = open_tab(browser, "decode")
    _, before = wait_for(browser, where, lambda _text, pictures: len(pictures) == 2)
    browser.execute_script(f"{MODEL}('principal-0').value = 2.5")
    _, after = wait_for(browser, where, lambda _text, pictures: pictures[0] != before[0])
    assert after[1] == before[1]  # A itself


def test_a_walk_and_a_sum_are_shown(browser):
    where = open_tab(browser, "walk")
    _, pictures = wait_for(browser, where, lambda _text, pictures: len(pictures) == 9 + 1 + 4)
    assert len(set(pictures[:9])) == 9
    browser.execute_script(f"{MODEL}('walk-slider').value = 0")
    wait_for(browser, where, lambda _text, pictures: pictures[9] == pictures[0])


def test_similar_images_can_be_picked(browser):
    where = open_tab(browser, "similar")
    _, pictures = wait_for(browser, where, lambda _text, pictures: len(pictures) == 32)
    assert len(set(pictures)) > 30


def test_a_painted_image_is_completed(browser):
    where = open_tab(browser, "complete")
    wait_for(browser, where, lambda text, _pictures: "by dragging" in text)
    until(lambda: browser.execute_script(PLACE + "return frame.width > 200 && box.width > 200", "canvas"))
    time.sleep(0.5)  # hidden until now, the figure then listens
    drag(browser, "canvas", (0.1, 0.8), (0.9, 0.8), (0.9, 0.9))
    text, pictures = wait_for(browser, where, lambda _text, pictures: len(pictures) == 6 + 2)
    assert "error" in text
    assert len(set(pictures)) > 2


def test_samples_are_drawn_again(browser):
    where = open_tab(browser, "samples")
    text, first = wait_for(browser, where, lambda _text, pictures: len(pictures) >= 18)
    assert "seed 0" in text
    browser.execute_script(
        f"{MODEL}('again').trigger_event(new (Bokeh.require('core/bokeh_events').ButtonClick)())"
    )
    wait_for(browser, where, lambda text, pictures: "seed 1" in text and pictures != first)


def test_a_lasso_opens_its_summary(browser):
    browser.execute_script(
        f"const map = {MODEL}('map');"
        "map.toolbar.active_drag = map.toolbar.tools.find((each) => each.type === 'LassoSelectTool')"
    )
    time.sleep(0.5)  # the figure then listens with it
    drag(browser, "map", (0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.1))
    where = "[data-section=selection]"
    _, pictures = wait_for(
        browser, where, lambda text, _pictures: "300 images" in text and "Download" in text
    )
    assert browser.find_element("css selector", where).is_displayed()
    assert len(pictures) >= 3 + 12


def test_hovering_shows_image_and_reconstruction(browser):
    from selenium.webdriver import ActionChains

    chain = ActionChains(browser, duration=50)
    for more in (3, 0):
        x, y = browser.execute_script(OF_POINT, "map", 40)
        chain.w3c_actions.pointer_action.move_to_location(int(x) + more, int(y))
    chain.perform()
    assert until(lambda: browser.execute_script(HOVERED)) >= 2


def test_two_pages_do_not_disturb_each_other(browser, address):
    mine = shown(browser, ".picks")
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        browser.get(address)
        _, pictures = wait_for(browser, ".picks", lambda text, _pictures: "Click a point" in text)
        assert pictures == []
    finally:
        browser.close()
        browser.switch_to.window(first)
    assert shown(browser, ".picks") == mine


def test_nothing_was_asked_of_another_place_and_nothing_went_wrong(browser, address):
    sent = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = [
        each["params"]["request"]["url"] for each in sent if each["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) > 4
    assert {each for each in asked if not each.startswith((address, "data:", "blob:", "chrome:"))} == set()
    told = [each["message"] for each in browser.get_log("browser") if each["level"] != "INFO"]
    assert told == []
