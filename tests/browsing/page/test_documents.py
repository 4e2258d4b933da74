"""The page's document, for everything that may be missing, without a browser."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
import torch
from bokeh.document import Document
from bokeh.events import SelectionGeometry, Tap

from page_server import pca_of_digits
from preimage.browsing.decoder import Decoder
from preimage.browsing.page import map_view
from preimage.browsing.page.application import Page, facts
from preimage.browsing.page.map_view import inside
from preimage.browsing.page.order import OrderView
from preimage.browsing.page.session import Browsing
from preimage.browsing.points import points_of
from preimage.browsing.subject import Subject
from preimage.errors import GeneratorError
from preimage.inversion.jacobian import NoJacobianError
from preimage.latents.priors import Normal
from preimage.latents.schema import About, Codes
from preimage.latents.store import StoreWriter
from preimage.storage.folder import Folder


class AtOnce:
    """An executor that works when it is asked."""

    def submit(self, work, *args):
        work(*args)
        return Future()


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return pca_of_digits(tmp_path_factory.mktemp("page") / "results")


def page_of(subject, selections=None):
    decoder = Decoder(subject) if subject.generator else None
    browsing = Browsing(subject, points_of(subject, "pca"), decoder, AtOnce(), AtOnce(), selections)
    document = Document()
    document.template_variables["pictures"] = "picture/secret"
    document.add_next_tick_callback = lambda act: act()  # the loop's part
    page = Page(document, browsing)
    document.validate()
    return page


@pytest.fixture
def page(subject):
    return page_of(subject)


def without(subject, *parts):
    return replace(subject, **dict.fromkeys(parts), missing=("It was deleted: make it again.",))


def some(page):
    """The ids of the images, in the store's order."""
    return page.session.subject.rows.ids.tolist()


def off(page):
    tabs = page.session.document.template_variables["tabs"]
    return {each["name"]: each["off"] for each in tabs if each["off"]}


def test_everything_is_there(page, subject):
    assert off(page) == {}
    assert facts(page.session.browsing)[:2] == ["pca", "300 codes of 8 components"]
    assert page.legend.text.count("<i ") == 10
    assert len(page.map.source.data["x"]) == 300


def test_without_a_generator_what_it_makes_is_off_and_says_why(subject):
    page = page_of(without(subject, "generator"))
    assert off(page) == dict.fromkeys(
        ["decode", "walk", "complete", "samples"], "It was deleted: make it again."
    )
    page.session.pick(some(page)[7])
    page._dispatch("tab:similar")
    assert page.tabs["similar"]._found.text.count("data-do") == 32


def test_without_images_reconstructions_are_shown(subject):
    page = page_of(without(subject, "pixels"))
    page.session.pick(some(page)[7])
    assert page.picks.slots.text.count("<img") == 1
    page._dispatch("tab:complete")
    assert page.tabs["complete"]._image.shape == (16, 16, 1)
    assert off(page) == {}


def test_without_images_and_generator_there_is_still_a_map(subject):
    page = page_of(without(subject, "pixels", "generator"))
    page.session.pick(some(page)[7])
    assert page.picks.slots.text.count("<img") == 0
    page._dispatch("tab:similar")
    assert page.tabs["similar"]._found.text.count("data-do") == 32


def test_a_generator_alone_is_browsed_by_codes_of_its_prior(subject):
    drawn = subject.codes_of(subject.rows.ids[:50])
    page = page_of(replace(subject, store=None, pixels=None, drawn=drawn))
    assert "codes drawn from the prior" in facts(page.session.browsing)
    assert page.session.picked == [some(page)[0], None, None]  # a typical code, which the prior's mean is not
    assert np.allclose(page.tabs["decode"].code(), drawn.z[0])
    assert page.picks.slots.text.count("<img") == 1
    page.session.pick(some(page)[7])
    assert page.picks.slots.text.count("<img") == 2


def test_of_a_prior_that_varies_alike_no_direction_is_said_to_come_first(subject, page):
    drawn = subject.codes_of(subject.rows.ids[:50])
    alike = page_of(replace(subject, store=None, drawn=drawn, priors={"normal": Normal(8)}))
    assert [each.title for each in alike.tabs["decode"].main] == list("123456")
    assert "Components of the code" in alike.tabs["decode"]._head.text
    assert "%" in page.tabs["decode"].main[0].title
    assert "Principal" in page.tabs["decode"]._head.text


def test_what_is_merely_to_be_known_is_not_said_to_be_missing(subject):
    page = page_of(replace(subject, notes=("These are draws.",)))
    told = page.session.document.template_variables
    assert (list(told["missing"]), told["notes"]) == ([], ["These are draws."])


def test_a_click_picks_the_nearest_point_in_reach(page):
    x, y = map(float, page.map.points.xy[5])
    page.map.figure._trigger_event(Tap(page.map.figure, x=x, y=y))
    assert page.session.picked == [int(page.map.points.ids[5]), None, None]
    page.map.figure._trigger_event(Tap(page.map.figure, x=1e6, y=1e6))
    assert page.session.picked[1] is None


def test_picks_go_round_a_b_c_and_can_be_replaced(page):
    a, b, c, d, e = some(page)[:5]
    for each in (a, b, c):
        page._dispatch(f"pick:{each}")
    page._dispatch("slot:1")
    page._dispatch(f"pick:{d}")
    assert page.session.picked == [a, d, c]
    page._dispatch("clear:0")
    assert page.session.picked == [None, d, c]
    page._dispatch(f"pick:{e}")
    assert page.session.picked == [e, d, c]


@pytest.mark.parametrize(
    "what", ["pick:1000000", "pick:x", "slot:7", "clear:-1", "tab:none", "", "mask:2", ":"]
)
def test_what_no_page_asks_changes_nothing(page, what):
    page._dispatch(what)
    assert page.session.picked == [None, None, None]
    assert page.open == "decode"


def test_sliders_add_their_directions_to_the_picked_code(page, subject):
    tab = page.tabs["decode"]
    page.session.pick(some(page)[7])
    start = subject.codes_of(np.array(some(page)[7:8])).z[0].numpy()
    assert np.allclose(tab.code(), start)
    shown = tab._image.text
    tab.main[1].value = 2.0
    main = page.session.decoder.principal(2)
    assert np.allclose(tab.code(), start + 2 * main.scales[1] * main.vectors[1], atol=1e-5)
    assert tab._image.text != shown
    tab.reset()
    assert np.allclose(tab.code(), start)
    assert tab._image.text == shown


def test_a_sensitive_direction_s_unit_is_the_codes_deviation_along_it(page, subject):
    page.session.pick(some(page)[7])
    tab = page.tabs["decode"]
    z = next(subject.batches()).z.numpy()
    found = tab._base.sensitive
    assert np.allclose(tab._base.units, (z @ found.vectors.T).std(0), rtol=0.01)


def test_a_lasso_is_summarised(page):
    x0, x1, y0, y1 = page.map.points.extent
    middle = (x0 + x1) / 2
    corners = {"type": "poly", "x": [x0 - 1, middle, middle, x0 - 1], "y": [y0 - 1, y0 - 1, y1 + 1, y1 + 1]}
    page.map.figure._trigger_event(SelectionGeometry(page.map.figure, geometry=corners, final=True))
    count = int((page.map.points.xy[:, 0] < middle).sum())
    assert f"{count} images" in page.tabs["selection"]._found.text
    assert page.open == "selection"


def test_a_selection_is_kept_in_the_folder_that_was_named(subject, tmp_path):
    page = page_of(subject, Folder.at(tmp_path))
    tab = page.tabs["selection"]
    tab.select(np.array(some(page)[:3]))
    tab._keep()
    assert [each.name for each in tmp_path.iterdir()] == ["selection-1.parquet"]
    tab._keep()
    assert "there already" in tab.status.text


def test_points_inside_a_polygon_are_those_of_matplotlib():
    from matplotlib.path import Path

    rng = np.random.default_rng(0)
    xy, corners = rng.normal(size=(500, 2)), rng.normal(size=(9, 2))
    star = Path(corners, closed=False)
    turned = np.zeros(500, bool)
    turned[inside(xy, corners)] = True
    simple = corners[np.argsort(np.arctan2(*(corners - corners.mean(0)).T))]
    assert inside(xy, simple).tolist() == np.flatnonzero(Path(simple).contains_points(xy)).tolist()
    assert star.contains_points(xy).sum() >= turned.sum() > 0  # even and odd: twice inside is outside


def test_of_many_points_those_of_the_window_are_drawn(subject, monkeypatch):
    monkeypatch.setattr(map_view, "DRAWN", 50)
    page = page_of(subject)
    assert len(page.map.source.data["x"]) == 50
    x, y = map(float, page.map.points.xy[5])
    page.map.show_window(x - 0.1, x + 0.1, y - 0.1, y + 0.1)
    assert 5 in page.map.places
    assert len(page.map.places) < 50
    assert len(page.map.source.data["value"]) == len(page.map.places)


def test_why_there_are_no_sensitive_directions_stays_on_the_page(page, monkeypatch):
    def broken(*_):
        raise NoJacobianError("torch cannot differentiate it")

    monkeypatch.setattr(page.session.decoder, "sensitive", broken)
    tab = page.tabs["decode"]
    page.session.pick(some(page)[7])
    assert "torch cannot differentiate it" in tab.wrong.text
    assert all(each.disabled for each in tab.sensitive)
    before = tab.code()
    tab.main[0].value = 1.0
    assert not np.array_equal(tab.code(), before)
    monkeypatch.undo()
    page.session.clear(0)
    assert tab.wrong.text == ""


def test_the_unknown_is_not_among_the_lowest(page):
    session = page.session
    names = np.array(["", *["b"] * 3, *["a"] * (len(session.points) - 4)], object)
    columns = {"name": names, "never": np.full(len(names), np.nan)}
    session.points = replace(session.points, columns=columns)
    view = OrderView(session, session.kit.select("Sort", [(each, each) for each in columns], "name"))
    assert view._find("name")[2] == ["b"] * 3 + ["a"] * 9
    assert view._find("never")[2] == []
    view._select.value = "never"
    assert "highest never" in view._pictures.text


def test_codes_that_were_imported_are_called_so(folder):
    imported = {"file": "a.npy", "sha256": "0", "column": None, "id": None, "label": None}
    about = {"generator": None, "dataset": None, "latent_dim": 3, "prior": None, "imported": imported}
    writer = StoreWriter(folder, About.model_validate(about), parts=1, count=9)
    writer.write(0, Codes.without_search(torch.arange(9), torch.zeros(9).int(), torch.randn(9, 3)))
    subject = Subject("mine", writer.finish(), None, None, None, {}, ())
    browsing = Browsing(subject, points_of(subject, "pca"), None, AtOnce(), AtOnce())
    assert facts(browsing) == ["9 codes of 3 components", "imported codes"]


def test_a_bug_is_said_on_the_page_and_does_not_end_it(page, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(page.session.decoder, "images", broken)
    page.tabs["decode"].main[0].value = 1.0
    assert "the terminal" in page.tabs["decode"].status.text
    assert "a bug" in caplog.text


def test_an_error_of_the_generator_is_shown(page, monkeypatch):
    def broken(*_):
        raise GeneratorError("its code is gone: import it again")

    monkeypatch.setattr(page.session.decoder, "images", broken)
    page.tabs["decode"].main[0].value = 1.0
    assert "its code is gone: import it again" in page.tabs["decode"].status.text
