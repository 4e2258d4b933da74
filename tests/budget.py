"""How much a run of the tests may search and wait: PREIMAGE_TEST_BUDGET, `small` or `whole`."""

import os

NAME = "PREIMAGE_TEST_BUDGET"
GIVEN = os.environ.get(NAME, "small")
assert GIVEN in ("small", "whole"), f"{NAME} must be small or whole, but is {GIVEN!r}"
WHOLE = GIVEN == "whole"
