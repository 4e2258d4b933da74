"""Plain values without what only one machine knows: its paths, its users, and how a run was scheduled."""

import re
from typing import Any

DROPPED = {"resources", "results", "tracking", "folder", "user", "traceback"}
PLACE = re.compile(r"(?<![\w.])(?:[a-z][a-z0-9+.-]*://|~/|\.{1,2}/|/)[^\s'\",;]+")
"""A path or an address within a text; `T-shirt/top` and `8/10` are neither."""


def without_places(value: Any) -> Any:
    """The same plain values; every path and address is reduced to its last part."""
    if isinstance(value, dict):
        return {key: without_places(each) for key, each in value.items() if key not in DROPPED}
    if isinstance(value, list | tuple):
        return [without_places(each) for each in value]
    return PLACE.sub(_last, value) if isinstance(value, str) else value


def _last(found: re.Match[str]) -> str:
    """`/a/runs/train-gan-1/generator` is `train-gan-1/generator`: a product is named by its run."""
    parts = found[0].partition("?")[0].rstrip("/").split("/")
    return "/".join(parts[-2:] if len(parts) > 2 and parts[-3] == "runs" else parts[-1:])
