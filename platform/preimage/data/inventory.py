"""Say in words and as plain values what a set of images holds, and what was not read."""

from collections.abc import Iterator, Sequence
from typing import Any

from preimage.data.sources.base import Contents, LeftOut

_SHOWN = 10


def facts(contents: Contents, classes: Sequence[str], count: int | None) -> Iterator[tuple[str, str]]:
    """(label, fact) of the splits, the classes and what is not read. count: of the images, if known."""
    if contents.splits:
        yield "splits", ", ".join(f"{name} {count:,}" for name, count in contents.splits.items())
    yield "classes", _classes(classes, contents.class_counts, count)
    for each in contents.left_out:
        yield "not read", left_out_text(each)
    yield from (("note", note) for note in contents.notes)


def left_out_text(left_out: LeftOut) -> str:
    """`5: suffix .HEIC (IMG_0.HEIC, IMG_1.HEIC, ...)`."""
    more = ", ..." if left_out.count > len(left_out.examples) else ""
    examples = f" ({', '.join(left_out.examples)}{more})" if left_out.examples else ""
    return f"{left_out.count:,}: {left_out.reason}{examples}"


def plain(contents: Contents, classes: Sequence[str], count: int | None) -> dict[str, Any]:
    """The same as JSON: `count`, `splits`, `classes` with their counts, `left_out` by reason, `notes`."""
    counts = contents.class_counts or [None] * len(classes)
    left_out = {
        each.reason: {"count": each.count, "examples": list(each.examples)} for each in contents.left_out
    }
    return {
        "count": count,
        "splits": dict(contents.splits),
        "classes": dict(zip(classes, counts, strict=True)),
        "left_out": left_out,
        "notes": list(contents.notes),
    }


def _classes(classes: Sequence[str], counts: Sequence[int] | None, count: int | None) -> str:
    if not classes:
        return "none: the images have no labels"
    named = [f"{name} {counts[label]:,}" if counts else name for label, name in enumerate(classes)]
    more = f", and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    without = count - sum(counts) if counts and count else 0
    more += f"; {without:,} without a class" if without > 0 else ""
    return f"{len(classes):,}: {', '.join(named[:_SHOWN])}{more}"
