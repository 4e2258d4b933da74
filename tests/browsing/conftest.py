"""A store of digits to browse, with all that belongs to it."""

import pytest

from browsed import whole


@pytest.fixture
def subject(folder, digits):
    return whole(folder, digits)
