"""Registries: built-in things and plugins' alike, by name, imported when they are asked for."""

import sys
from typing import Annotated

import pytest
from pydantic import ValidationError

from preimage import plugins
from preimage.config import Config
from preimage.errors import PluginError
from preimage.plugins import Plugin, PluginName, Registry


def number(name: str, found: object) -> int:
    if not isinstance(found, int):
        raise TypeError("it must be a whole number")
    return found


NUMBERS = Registry("loss", "losses", {"big": "sys:maxsize", "wide": "sys:maxunicode"}, number)
"""A registry of numbers, in the place of losses."""


class Named(Config):
    """A config that names one."""

    loss: Annotated[str, NUMBERS] = "big"


@pytest.fixture
def own(plug):
    return plug({"losses": {"seven": "preimage_extra:SEVEN", "text": "preimage_extra:TEXT"}}, CODE)


CODE = "SEVEN, TEXT = 7, 'seven'\n"


def test_names_are_known_before_anything_is_imported(own):
    assert list(NUMBERS) == ["big", "wide", "seven", "text"]
    assert "seven" in NUMBERS
    assert "eight" not in NUMBERS
    assert NUMBERS.plugin("seven") == Plugin("preimage-extra", "1.2")
    assert NUMBERS.plugin("big") is None
    assert Named(loss="big").loss == "big"
    assert "preimage_extra" not in sys.modules
    assert (NUMBERS["seven"], NUMBERS["big"], NUMBERS.get("eight")) == (7, sys.maxsize, None)
    assert "preimage_extra" in sys.modules


def test_what_is_not_installed_is_not_known():
    assert list(NUMBERS) == ["big", "wide"]
    with pytest.raises(PluginError, match="'seven': no such loss; choose from big, wide, or install the pl"):
        NUMBERS["seven"]


def test_a_config_says_which_name_is_nearest_and_what_brings_it(own):
    with pytest.raises(ValidationError, match="no such loss; did you mean 'seven'?"):
        Named(loss="sevn")
    with pytest.raises(ValidationError, match="preimage_extra:TEXT of preimage-extra 1.2 is no loss"):
        Named(loss="text")
    found = Named(loss="seven").loss
    assert isinstance(found, PluginName)
    assert (found.plugin.distribution, found.plugin.version) == ("preimage-extra", "1.2")
    assert not isinstance(Named().loss, PluginName)
    assert Named(loss="seven").model_dump(mode="json") == {"loss": "seven"}
    schema = Named.model_json_schema()["properties"]["loss"]
    assert schema["enum"] == ["big", "wide", "seven", "text"]


def test_an_object_that_is_none_is_named_and_the_rest_works(own):
    with pytest.raises(PluginError, match="preimage_extra:TEXT of preimage-extra 1.2 is no loss: it must be"):
        NUMBERS["text"]
    assert NUMBERS.get("text") is None
    working, broken = NUMBERS.working()
    assert list(working) == ["big", "wide", "seven"]
    assert list(broken) == ["text"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_module", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "AttributeError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named_and_the_rest_works(plug, code, why):
    plug({"losses": {"seven": "preimage_extra:SEVEN"}}, code)
    plug({"losses": {"eight": "preimage_more:EIGHT"}}, "EIGHT = 8", name="preimage-more")
    with pytest.raises(PluginError, match=rf"the loss 'seven' of preimage-extra 1.2 cannot be .*\({why}"):
        NUMBERS["seven"]
    assert NUMBERS["eight"] == 8
    assert NUMBERS["big"] == sys.maxsize


def test_two_plugins_of_one_name_are_refused(plug):
    plug({"losses": {"seven": "preimage_extra:SEVEN"}}, CODE)
    plug({"losses": {"seven": "preimage_more:SEVEN"}}, CODE, name="preimage-more", version="3")
    both = r"claimed by .*: uninstall preimage-\w+ or preimage-\w+"
    with pytest.raises(PluginError, match=both) as found:
        NUMBERS["seven"]
    assert "preimage-extra 1.2" in str(found.value)
    assert "preimage-more 3" in str(found.value)
    with pytest.raises(ValidationError, match=both):
        Named(loss="seven")
    assert Named(loss="big").loss == "big"


def test_a_plugin_cannot_replace_what_is_built_in(plug, caplog):
    plug({"losses": {"big": "preimage_extra:SEVEN"}}, CODE)
    assert NUMBERS["big"] == sys.maxsize
    assert NUMBERS.plugin("big") is None
    assert "'big' is Preimage's own; that of preimage-extra 1.2 is not used" in caplog.text
    assert list(NUMBERS) == ["big", "wide"]


def test_a_plugin_that_ends_the_process_is_an_error_like_others(plug):
    plug({"losses": {"seven": "preimage_extra:SEVEN"}}, "raise SystemExit('gone\\nand more')")
    with pytest.raises(
        PluginError, match=r"imported \(SystemExit: gone\): mend preimage_extra:SEVEN, or unins"
    ):
        NUMBERS["seven"]


@pytest.mark.parametrize("name", ["Seven", "seven_", "7", "se ven", "-seven", "über"])
def test_names_are_lower_case_with_hyphens(plug, name):
    plug({"losses": {name: "preimage_extra:SEVEN"}}, CODE)
    with pytest.raises(PluginError, match="its name must be of lower-case letters, digits and hyphens"):
        NUMBERS[name]


def test_the_first_of_two_copies_of_a_distribution_counts(plug):
    plug({"losses": {"seven": "preimage_extra:SEVEN"}}, "SEVEN = 6")
    plug({"losses": {"seven": "preimage_extra:SEVEN"}}, CODE, name="preimage_extra", version="2")
    assert NUMBERS.plugin("seven").version == "2"
    assert NUMBERS["seven"] == 7


def test_plain_values_name_the_distributions_they_may_need(own):
    spec = {"steps": [{"inversion": {"loss": "seven"}}, 7, None]}
    assert plugins.named_in(spec) == {"preimage-extra": "1.2"}
    assert plugins.named_in({"loss": "big"}) == {}


def test_what_is_missing_says_what_to_install(own, caplog):
    plugins.require_installed({"plugins": {"preimage-extra": "1.2"}}, "the run r")
    plugins.require_installed({}, "the run r")
    assert not caplog.records
    with pytest.raises(
        PluginError, match="the run r was made with the plugin gone 3, which is not installed"
    ):
        plugins.require_installed({"plugins": {"gone": "3"}}, "the run r")
    plugins.require_installed({"plugins": {"preimage-extra": "1.1"}}, "the run r")
    assert "made with preimage-extra 1.1; here is 1.2" in caplog.text


@pytest.mark.parametrize("found", [["a"], "a", 1, None, {"a": 1}, {"": "1"}, {"a b; rm": "1"}])
def test_what_a_damaged_file_says_of_its_plugins_is_refused(found):
    with pytest.raises(PluginError, match="the run r is damaged: its plugins are no versions by name"):
        plugins.made_with({"plugins": found}, "the run r")
