"""Print one JSON document, which any parser reads."""

import json
import math
from typing import Any


def print_json(value: Any) -> None:
    """Print a value as JSON in one line; numbers that JSON does not have, such as NaN, are null."""
    print(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
