"""Thumbnails as sprite sheets: many small pictures in a few images, each an address in the page."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from preimage.browsing.subject import Subject
from preimage.browsing.thumbnails import Thumbnails, data_uri, data_uri_of, side_by_side
from preimage.errors import DataError

SIDE = 48
COLUMNS, ROWS = 16, 16
"""Cells of a sheet."""
BUDGET = 3_500_000
"""Characters of all sheets together."""
JPEG_FROM = 40
"""Colour images from this side on are written as JPEG, smaller ones as PNG."""
EMPTY = np.zeros((0, 1, 1, 1), np.uint8)


@dataclass(frozen=True)
class Sprites:
    """Cells of one size, each an image and its reconstruction side by side, or the one that there is."""

    sheets: tuple[str, ...]
    """Addresses."""
    width: int
    height: int
    """Of a cell, in pixels."""
    shown: tuple[str, ...]
    """What a cell has, from left to right: image, reconstruction."""
    places: np.ndarray
    """(n,) int32: the number of each point's cell over all sheets, -1 for points without one."""
    note: str = ""
    """A sentence, where not all points have one."""

    def plain(self) -> dict[str, object]:
        """As the page's script reads it, without the places."""
        sides = {"width": self.width, "height": self.height, "columns": COLUMNS, "rows": ROWS}
        return {"sheets": self.sheets, "shown": self.shown, **sides}


def sprites_of(subject: Subject, ids: np.ndarray, order: np.ndarray, budget: int = BUDGET) -> Sprites:
    """The thumbnails of points with these ids (n,), taken in an order (n,) until the budget is spent."""
    small, sheets, size, spent = Thumbnails(subject, SIDE), [], (1, 1), 0
    places, shown, note = np.full(len(ids), -1, np.int32), (), ""
    for first in range(0, len(order), COLUMNS * ROWS):
        some = order[first : first + COLUMNS * ROWS]
        try:
            cells, shown = _cells(small, ids[some])
        except DataError as error:
            note = f"Thumbnails are missing: {error}"
            break
        if not shown:
            break
        sheet, size = _sheet(cells), cells.shape[1:3]
        spent += len(sheet)
        if sheets and spent > budget:
            note = f"{first:,} of the {len(ids):,} points have thumbnails, a fair sample."
            break
        sheets.append(sheet)
        places[some] = np.arange(first, first + len(some))
    return Sprites(tuple(sheets), size[1], size[0], shown, places, note)


def _cells(small: Thumbnails, ids: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, h, w, C), and what each shows."""
    found = {"image": small.originals(ids), "reconstruction": small.reconstructions(ids)}
    there = {name: each for name, each in found.items() if each is not None}
    if not there:
        return EMPTY, ()
    cells = [side_by_side(each) for each in zip(*_alike(list(there.values())), strict=True)]
    return np.stack(cells), tuple(there)


def _alike(stacks: list[np.ndarray]) -> list[np.ndarray]:
    """Stacks of images with as many channels; all of one size, since a store's images are its generator's."""
    channels = max(each.shape[-1] for each in stacks)
    return [np.repeat(each, channels, -1) if each.shape[-1] == 1 else each for each in stacks]


def _sheet(cells: np.ndarray) -> str:
    """Cells (n, h, w, C) in rows of COLUMNS, as an address."""
    count, height, width, channels = cells.shape
    grid = np.full((ROWS * COLUMNS, height, width, channels), 255, np.uint8)
    grid[:count] = cells
    rows = grid.reshape(ROWS, COLUMNS, height, width, channels).transpose(0, 2, 1, 3, 4)
    sheet = rows.reshape(ROWS * height, COLUMNS * width, channels)
    if channels == 1 or height < JPEG_FROM:
        return data_uri(sheet)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "JPEG", quality=85)
    return data_uri_of(buffer.getvalue(), "image/jpeg")
