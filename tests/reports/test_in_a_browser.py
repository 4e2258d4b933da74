"""The page as a person sees it: in a real browser, from a file, under its own policy."""

import shutil

import pytest

from preimage.figures.tables import markdown
from preimage.reports.write import write_report
from report_pages import finish, made_run, png

pytestmark = pytest.mark.browser
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--window-size=1200,1000"),
)
SCALES = ".chart svg > g.log, .chart svg > g.linear"


@pytest.fixture
def page(folder):
    """A page in Chromium, whose console must stay empty."""
    from selenium import webdriver

    run = made_run(folder, "train-gan-1")
    for images in range(0, 1001, 10):
        run.record(images, {"a_loss": 1 / (1 + images), "b_loss": 2.0 + images})
    run.figures.write("samples.png", png())
    rows = [["n", "value"], ["a", "10"], ["b", "9.5"], ["c", "1,000"]]
    run.figures.write("table.md", markdown(rows).encode())
    finish(run, {"a_loss": 0.001})
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        driver.get(f"file://{write_report(run)}")
        yield driver
        assert driver.get_log("browser") == []
    finally:
        driver.quit()


def of(page, selector):
    return page.find_elements("css selector", selector)


def test_a_chart_shows_all_values_at_the_cursor_on_either_scale(page):
    from selenium.webdriver import ActionChains, Keys

    (svg,) = of(page, ".chart svg")
    outputs, (readout,) = of(page, ".chart output"), of(page, ".readout")
    assert [each.text for each in outputs] == ["", ""]
    ActionChains(page).move_to_element(svg).perform()
    x = int(readout.text.removeprefix("at ").removesuffix(" images seen"))
    assert 400 <= x <= 500  # the axis begins right of the middle's left half
    assert [float(each.text) for each in outputs] == pytest.approx([1 / (1 + x), 2 + x], rel=1e-3)
    svg.send_keys(Keys.ARROW_RIGHT)
    assert readout.text == f"at {x + 10} images seen"
    (log,) = of(page, ".chart input")
    assert log.is_selected()  # the values lie far apart
    assert [each.is_displayed() for each in of(page, SCALES)] == [
        False,
        True,
    ]
    log.click()
    assert [each.is_displayed() for each in of(page, SCALES)] == [
        True,
        False,
    ]
    ActionChains(page).move_to_element(of(page, "h1")[0]).perform()
    assert [each.text for each in outputs] == ["", ""]


def test_a_table_is_sorted_by_a_click_and_a_picture_enlarged(page):
    (head,) = [each for each in of(page, ".sortable th") if each.text.startswith("value")]

    def column():
        return [each.text for each in of(page, ".sortable tbody tr td:nth-child(2)")]

    head.click()
    assert column() == ["9.5", "10", "1,000"]
    head.click()
    assert column() == ["1,000", "10", "9.5"]
    (large,) = of(page, "dialog")
    of(page, ".zoom")[0].click()
    assert large.is_displayed()
    assert page.execute_script("return document.querySelector('dialog img').naturalWidth") == 8
    of(page, "dialog button")[0].click()
    assert not large.is_displayed()
