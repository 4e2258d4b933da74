"""What strangers do to files: bytes cut and flipped, values in others' places; and what may come of it."""

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import budget
from preimage.errors import PreimageError

FUZZ = settings(
    max_examples=300 if budget.WHOLE else 30,
    derandomize=not budget.WHOLE,  # with a small budget the same few every time
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = ("../../outside", "/etc/passwd", "a/../../outside", "\0", "", ".", "..", "é\ud800", "x" * 300)
"""What a stranger writes where a name belongs."""

numbers = st.one_of(
    st.integers(-2, 300),
    st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, 10**18, -(2**63), 10**400, -1]),
    st.floats(),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20), st.sampled_from(NAMES))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
"""Any JSON value."""


def documented(read: Callable[[], Any]) -> Any:
    """What a reader returns; None where it raised an error for its user, of one message."""
    try:
        return read()
    except PreimageError as error:
        assert str(error).strip()
        return None


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Some bytes, cut short, flipped here and there, overwritten or with others between them."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(found) - 1)))
        match draw(st.sampled_from(["cut", "flip", "flip", "overwrite", "insert", "lose"])):
            case "cut":
                del found[at:]
            case "flip" if found:
                found[at] ^= 1 << draw(st.integers(0, 7))
            case "overwrite":
                new = draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff" * 8, b"\0" * 64, b"\x80"]))
                found[at : at + len(new)] = new
            case "insert":
                found[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "lose":
                del found[at : at + draw(st.integers(1, 16))]
    return bytes(found)


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything within a value, the value itself first."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*here, key))


@st.composite
def altered(draw: st.DrawFn, value: Any, new: st.SearchStrategy[Any] = values) -> Any:
    """A value, with others at one to three places of it, or nothing, or more than there was."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(changed))))
        if not place:
            if draw(st.integers(0, 9)) == 0:
                return draw(new)
            continue
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["put", "put", "put", "remove", "add"])):
            case "put":
                holder[place[-1]] = draw(new)
            case "remove":
                del holder[place[-1]]
            case "add" if isinstance(holder, dict):
                holder[draw(st.text(max_size=8))] = draw(new)
    return changed


@contextmanager
def memory_within(mib: int) -> Iterator[None]:
    """The block takes no more memory than that at any moment, on top of what the process has."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is forgotten
    before = _kib("VmRSS")
    yield
    taken = (_kib("VmHWM") - before) / 1024
    assert taken <= mib, f"{taken:.0f} MiB"


def _kib(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])
