"""Errors cross processes by their kind and their own words."""

import json

from preimage.errors import DataError, PreimageError, error_of, plain


class FromAPlugin(PreimageError):
    """A kind that this package does not list."""


def test_an_error_comes_back_as_it_was():
    for error in (DataError("no images. Name some."), FromAPlugin("as it says"), PreimageError("plain")):
        found = error_of(json.loads(json.dumps(plain(error))))
        assert (type(found), str(found)) == (type(error), str(error))


def test_a_kind_that_is_not_known_here_keeps_its_words():
    found = error_of({"kind": "SomebodysOwnError", "message": "too small: give 3 or more"})
    assert (type(found), str(found)) == (PreimageError, "too small: give 3 or more")
