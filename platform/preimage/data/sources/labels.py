"""Class names and labels from the texts that a source's files give."""

import re
from collections.abc import Iterable

from preimage.errors import DataError

MAX_CLASSES = 100_000
"""More distinct labels are captions or ids."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def label_table(found: Iterable[str], where: str) -> tuple[list[str], dict[str, int]]:
    """Class names by label, and the label of each text that was found.

    The names are the distinct values, sorted, as numbers if all are whole: 0, 1, ... without a gap are
    themselves labels. An empty text and -1 are no label. Raises DataError for more than MAX_CLASSES.
    """
    texts = set(found) - {""}
    require_classes(len(texts), where)
    if all(map(_WHOLE.fullmatch, texts)):
        numbers = sorted({int(text) for text in texts} - {-1})
        label = {number: index for index, number in enumerate(numbers)}
        return [str(number) for number in numbers], {"": -1} | {
            text: label.get(int(text), -1) for text in texts
        }
    names = sorted(texts)
    return names, {"": -1} | {text: index for index, text in enumerate(names)}


def require_classes(count: int, where: str) -> None:
    if count > MAX_CLASSES:
        raise DataError(
            f"{where} has more than {MAX_CLASSES:,} distinct labels, which are no classes: set "
            "data.label_column to another"
        )
