"""What the page's script is given: columns, names and thumbnails of the points, as JSON."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np

from preimage.browsing.points import Points
from preimage.browsing.static.sprites import Sprites
from preimage.errors import PreimageError

TEXTS_MOST = 200
"""A text column with more different texts says little as a colour, and is left out."""
COLUMNS_MOST = 60


def payload(points: Points, rows: np.ndarray, sprites: Sprites) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is known of the points in these rows (m,); and sentences on what is left out."""
    notes: list[str] = []
    columns = list(_columns(points, rows, notes))
    names = None if points.names is None else [points.names[row] for row in rows.tolist()]
    found = {
        "ids": list(map(str, points.ids[rows].tolist())),  # JavaScript's numbers hold 53 bits
        "names": names,
        "columns": columns,
        "thumbnails": sprites.plain() | {"places": packed(sprites.places)},
    }
    return found, tuple(notes)


def in_script(value: Any) -> str:
    """JSON that can stand in a <script> element, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def packed(values: np.ndarray) -> str:
    """Little-endian bytes in base64."""
    return b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _columns(points: Points, rows: np.ndarray, notes: list[str]) -> Iterator[dict[str, Any]]:
    names = list(points.columns)
    if len(names) > COLUMNS_MOST:
        notes.append(f"{len(names) - COLUMNS_MOST} columns are left out: {', '.join(names[COLUMNS_MOST:])}.")
    for name in names[:COLUMNS_MOST]:
        try:
            values = points.columns[name][rows]
        except PreimageError as error:  # of images that are gone
            notes.append(f"The column {name} is left out: {error}")
            continue
        if values.dtype.kind != "O":
            yield {"name": name, "kind": "number"} | _numbers(values)
            continue
        texts, codes = np.unique(values.astype(str), return_inverse=True)
        if len(texts) > TEXTS_MOST:
            notes.append(f"The column {name} has {len(texts):,} different texts, and colours nothing.")
        else:
            yield {
                "name": name,
                "kind": "text",
                "texts": texts.tolist(),
                "codes": packed(codes.astype(np.int32)),
            }


def _numbers(values: np.ndarray) -> dict[str, Any]:
    """As float32, or wide, as float64, where that would change a whole number, such as a date's."""
    narrow = values.astype(np.float32)
    wide = values.dtype.kind in "iu" and bool((narrow.astype(np.float64) != values).any())
    return {"wide": wide, "values": packed(values.astype(np.float64) if wide else narrow)}
