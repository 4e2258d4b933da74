"""Numbers, durations and sizes as people read them."""

from math import ceil
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400


def number(value: Any) -> str:
    """A metric: four digits, or all of a whole number; other values as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """A duration in round words, rounded up."""
    if seconds >= 1.5 * HOUR:
        hours = seconds / HOUR
        return f"{hours:,.0f} hours" if hours >= 10 else f"{hours:.1f} hours"
    count, unit = (ceil(seconds / MINUTE), "minute") if seconds > MINUTE else (ceil(seconds), "second")
    return f"{count} {unit}{'' if count == 1 else 's'}"


def ago(seconds: float) -> str:
    """How long ago something was, in its largest unit."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"


def size(count: int) -> str:
    """A number of bytes, by powers of 1024."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
